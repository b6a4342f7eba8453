"""`CARD.md`: what a pack is, how it was made and how good it is, from the recipe and the measurements alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from impasto_training import evaluate
from impasto_training.data import View
from impasto_training.evaluate import EffectScore, Evaluation, Likeness
from impasto_training.pack import PackedVariant, command
from impasto_training.recipe import Recipe
from impasto_training.teach import Lesson
from impasto_training.teachers.arbitrary_style import METHOD
from impasto_training.teachers.arbitrary_style_port import SHIFTS
from impasto_training.teachers.base import SIDE

FLICKER_GOAL = 1.5
LPIPS_GOAL = 0.20
PARITY_GATE_DB = 45.0


@dataclass(frozen=True)
class Training:
    """How a variant was trained."""

    steps: int
    crops: int
    seconds: float


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *("---:" for _ in head[1:])]
    return ["| " + " | ".join(row) + " |" for row in (head, align, *rows)]


def _numbers(score: Likeness) -> list[str]:
    return [f"{score.psnr:.1f}", f"{score.ssim:.2f}", f"{score.lpips:.3f}"]


def _mean(scores: Sequence[Likeness]) -> Likeness:
    return Likeness(fmean(s.psnr for s in scores), fmean(s.ssim for s in scores), fmean(s.lpips for s in scores))


def _likeness(evaluation: Evaluation) -> list[str]:
    def row(name: str, effects: Sequence[EffectScore]) -> list[str]:
        return [
            name,
            *_numbers(_mean([e.student for e in effects])),
            f"{fmean(e.portraits.lpips for e in effects):.3f}",
            *_numbers(_mean([e.untouched for e in effects])),
        ]

    return _table(
        ["effect", "PSNR dB", "SSIM", "LPIPS-sq", "LPIPS-sq portraits", "photo: PSNR", "SSIM", "LPIPS-sq"],
        [*(row(e.name, [e]) for e in evaluation.effects), row("**mean**", evaluation.effects)],
    )


def _stability(evaluations: Sequence[Evaluation]) -> list[str]:
    first = evaluations[0]
    rows = []
    for index, effect in enumerate(first.effects):
        scores = [evaluation.effects[index] for evaluation in evaluations]
        rows.append(
            [
                effect.name,
                f"{effect.teacher_flicker:.1f}",
                *(f"{score.flicker:.2f}" for score in scores),
                f"{effect.teacher_motion:.1f}",
                *(f"{score.motion:.2f}" for score in scores),
            ]
        )
    ids = [evaluation.variant for evaluation in evaluations]
    head = ["effect", "flicker: teacher", *ids, "motion: teacher", *ids]
    return _table(head, rows)


def _weak_points(evaluations: Sequence[Evaluation]) -> list[str]:
    """What the numbers say against the pack."""
    points = []
    for evaluation in evaluations:
        worst = max(evaluation.effects, key=lambda e: e.student.lpips)
        above = sum(e.portraits.lpips > LPIPS_GOAL for e in evaluation.effects)
        name = f"Variant {evaluation.variant}"
        points.append(
            f"{name}: least like its teacher is {worst.name} (LPIPS-sq {worst.student.lpips:.3f}); {above} of "
            f"{len(evaluation.effects)} effects are above the goal of {LPIPS_GOAL:.2f} on portraits."
        )
        if restless := [e.name for e in evaluation.effects if e.flicker > FLICKER_GOAL]:
            points.append(f"{name}: flickers by more than {FLICKER_GOAL} of 255: {', '.join(restless)}.")
    return points


def _teachers(recipe: Recipe) -> str:
    """Which method paints how many effects, with what the reader should know about it."""
    methods = Counter(effect.teacher["method"] for effect in recipe.effects)
    known = {
        METHOD: f"arbitrary image stylisation of smoothed content, averaged over {len(SHIFTS)} shifts",
    }
    named = [f"{known[method]}, for {count} effects" for method, count in methods.items() if method in known]
    others = [f"`{method}`" for method in methods if method not in known]
    return "; ".join(named + ([f"our own algorithms {', '.join(others)}"] if others else []))


def card(
    recipe: Recipe,
    lesson: Lesson,
    variants: Sequence[PackedVariant],
    trainings: Sequence[Training],
    evaluations: Sequence[Evaluation],
    credit_lines: Sequence[str],
) -> str:
    """The text of `CARD.md`; variants, trainings and evaluations go in step."""
    titles = [f"*{effect.title}*" + (f" ({effect.artist})" if effect.artist else "") for effect in recipe.effects]
    views = {view: sum(content.view is view for content in lesson.training) for view in View}
    lines = [
        f"# {recipe.name}",
        "",
        f"{len(recipe.effects)} effects in one network per variant: {'; '.join(titles)}.",
        "A style vector picks one, or blends several.",
        "",
        f"This card is generated: `python -m impasto_training card {recipe.name}` writes it from measurements.",
        "",
        "## How it was made",
        "",
        f"- Command: `{command(recipe)}`, seed {recipe.seed}.",
        f"- Teachers, at {SIDE} x {SIDE}: {_teachers(recipe)}.",
        f"- Contents: {len(lesson.training)} squares ({', '.join(f'{n} {view}' for view, n in views.items())}); "
        f"{len(lesson.validation)} held out by hash, never trained on.",
        f"- Loss: {recipe.training.weight_l1} L1 + {recipe.training.weight_lpips} LPIPS-sq + "
        f"{recipe.training.weight_stability} stability (one scene twice: noise, exposure drift, known motion) + "
        f"{recipe.training.weight_colour} colour (opponent channels and their spread) + "
        f"{recipe.training.weight_border} border.",
        f"- Augmentation of the input alone: mirroring, exposure, gamma, tint, low light, softness, sensor noise; "
        f"crops of {recipe.training.crop} pixels.",
        *(f"- {note}" for note in recipe.notes),
        "",
        *_table(
            ["variant", "steps", "crops", "training minutes"],
            [
                [variant.id, str(training.steps), str(training.crops), f"{training.seconds / 60:.0f}"]
                for variant, training in zip(variants, trainings, strict=True)
            ],
        ),
        "",
        "## Size and speed",
        "",
        *_table(
            ["variant", "nominal size", "MMAC", "parameters", "kB", "ONNX Runtime p50 ms", "p95 ms"],
            [
                [
                    v.id,
                    f"{v.width} x {v.height}",
                    f"{v.mmac}",
                    str(v.params),
                    f"{v.bytes / 1000:.0f}",
                    f"{e.latency_p50_ms:.1f}",
                    f"{e.latency_p95_ms:.1f}",
                ]
                for v, e in zip(variants, evaluations, strict=True)
            ],
        ),
        "",
        f"Measured on {evaluations[0].machine} with {evaluate.LATENCY_THREADS} thread, load average "
        f"{' and '.join(f'{evaluation.load_average:.1f}' for evaluation in evaluations)}; style scale and bias are "
        "computed in the graph at every run.",
        "",
        "## Parity",
        "",
        "The exported file (weights in float16) against the network in float32; the gate is "
        f"{PARITY_GATE_DB:.0f} dB. Sizes: {', '.join(f'{w} x {h}' for w, h in evaluate.PARITY_SIZES)}; every style.",
        "",
        *_table(
            ["variant", "worst PSNR dB", "largest difference"],
            [[e.variant, f"{e.parity_psnr:.1f}", f"{e.parity_max:.4f}"] for e in evaluations],
        ),
        "",
        "## Likeness to the teacher",
        "",
        f"{evaluations[0].pictures} held-out pictures at {SIDE} x {SIDE}, {evaluations[0].portrait_pictures} of them "
        "portraits. The untouched photo's numbers stand beside. LPIPS-sq is LPIPS v0.1 on this package's SqueezeNet: "
        "compare it only with itself.",
    ]
    for evaluation in evaluations:
        lines += ["", f"### Variant {evaluation.variant}", "", *_likeness(evaluation)]
    lines += [
        "",
        "## Stability",
        "",
        f"Mean |difference| in steps of 1/255 between the paintings of one picture under fresh sensor noise (the input "
        f"itself differs by {evaluations[0].input_flicker:.2f}). Motion: the second picture is moved by "
        f"{evaluate.MOTION[0]} and {evaluate.MOTION[1]} pixels and its painting moved back.",
        "",
        *_stability(evaluations),
        "",
        "## What it is bad at",
        "",
        *(f"- {point}" for point in _weak_points(evaluations)),
        "",
        "## Credits and licences",
        "",
        f"Weights: {recipe.licence}.",
        "",
        *(f"- {line}" for line in credit_lines),
    ]
    return "\n".join(lines) + "\n"
