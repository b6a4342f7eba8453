"""`CARD.md`: what a pack is, how it was made and how good it is, from the recipe and the measurements alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from impasto_training import brush_judge, evaluate, stability
from impasto_training.data import View
from impasto_training.pack import PackedVariant, command
from impasto_training.recipe import Recipe
from impasto_training.scores import (
    FLICKER_GOAL,
    FOUND_GOAL,
    GROUP_GOAL,
    HALF_GATE_DB,
    LAYER_SHARE_GOAL,
    LPIPS_GOAL,
    LPIPS_GOAL_VARIANTS,
    MOTION_GOAL,
    SHARE_GOALS,
    WARPING_GOAL,
    Brushwork,
    EffectScore,
    Evaluation,
    Groups,
    GroupScore,
    Likeness,
    Ported,
    Quantised,
)
from impasto_training.skin import GROUPS
from impasto_training.teach import Lesson
from impasto_training.teachers.arbitrary_style import METHOD
from impasto_training.teachers.arbitrary_style_port import SHIFTS
from impasto_training.teachers.base import SIDE

WASHED_OUT = 0.8
"""Spread of the colours over the teacher's below which an effect is called washed out."""


@dataclass(frozen=True)
class Training:
    """How a variant was trained."""

    steps: int
    crops: int
    seconds: float


@dataclass(frozen=True)
class Subject:
    """One variant: its file, its training, its measurements, and the quantised builds that were tried."""

    packed: PackedVariant
    training: Training
    evaluation: Evaluation
    quantised: Sequence[Quantised]
    weights_of: str = ""
    """The variant whose weights it runs, if not its own."""

    ported: Sequence[Ported] = ()
    """What it was written as for other runtimes."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *("---:" for _ in head[1:])]
    return ["| " + " | ".join(row) + " |" for row in (head, align, *rows)]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _likeness(evaluation: Evaluation) -> list[str]:
    def row(name: str, effects: Sequence[EffectScore]) -> list[str]:
        student = Likeness.mean([e.student for e in effects])
        portraits = Likeness.mean([e.portraits for e in effects])
        photo = Likeness.mean([e.untouched for e in effects])
        return [
            name,
            *(f"{student.psnr:.1f}", f"{student.ssim:.2f}", f"{student.lpips:.3f}"),
            *(f"{portraits.psnr:.1f}", f"{portraits.ssim:.2f}", f"{portraits.lpips:.3f}"),
            f"{student.colour:.2f}",
            *(f"{photo.psnr:.1f}", f"{photo.ssim:.2f}", f"{photo.lpips:.3f}"),
        ]

    head = [
        *("effect", "PSNR dB", "SSIM", "LPIPS-sq", "portraits: PSNR", "SSIM", "LPIPS-sq", "colour"),
        *("photo: PSNR", "SSIM", "LPIPS-sq"),
    ]
    return _table(head, [*(row(e.name, [e]) for e in evaluation.effects), row("**mean**", evaluation.effects)])


def _brushwork(evaluation: Evaluation) -> list[str]:
    rows = [
        [
            effect.name,
            *(f"{share:.2f}" for share in found.share),
            f"**{fmean(found.share):.2f}**",
            *(f"{share:.2f}" for share in found.unseen),
            f"{100.0 * found.found:.0f} %",
            f"{found.flicker:.2f}",
            f"{found.motion:.2f} ({found.resampling:.2f})",
            f"{found.content:.2f}",
        ]
        for effect in evaluation.effects
        if (found := effect.brushwork) is not None
    ]
    layers = ("conv1", "fire3", "fire5", "fire9")
    head = [
        *("effect", *(f"share: {layer}" for layer in layers), "mean", "unseen: fire6", "fire7", "found", "flicker"),
        *("motion", "content"),
    ]
    return _table(head, rows)


def _brushwork_text(evaluation: Evaluation) -> str:
    return (
        f"{evaluation.portrait_pictures} held-out portraits at {brush_judge.SIDE} x {brush_judge.SIDE}, the canvas at "
        "its full strength. *Share*: how far Gram matrices of SqueezeNet have gone from the photo (0) to the painting, "
        "the network behind the teacher as it is being 1, by layer; no loss looks at the *unseen* ones. *Found*: how "
        "often the right painting is the nearest of all. *Flicker*: a still picture under fresh sensor noise. "
        "*Motion*: error after exact motion with the canvas carried along, in brackets what resampling alone causes. "
        "*Content*: distance of deep features to the photo. A painting's LPIPS to the calmed teacher stands below as "
        "well, but is no goal: it rewards a painting without brushwork."
    )


def _brushwork_points(evaluation: Evaluation, name: str) -> list[str]:
    """Where the paintings miss the goals of the brush stage."""
    scored = [(effect.name, found) for effect in evaluation.effects if (found := effect.brushwork) is not None]
    if not scored:
        return []
    wanted = SHARE_GOALS.get(evaluation.variant, max(SHARE_GOALS.values()))
    tests: list[tuple[str, Callable[[Brushwork], float], Callable[[Brushwork], bool]]] = [
        (f"mean style share below {wanted}", lambda b: fmean(b.share), lambda b: fmean(b.share) < wanted),
        (
            f"style share of a layer below {LAYER_SHARE_GOAL}",
            lambda b: min(b.share),
            lambda b: min(b.share) < LAYER_SHARE_GOAL,
        ),
        (
            f"right painting found for less than {FOUND_GOAL:.0%} of portraits",
            lambda b: b.found,
            lambda b: b.found < FOUND_GOAL,
        ),
        (f"flicker above {FLICKER_GOAL} of 255", lambda b: b.flicker, lambda b: b.flicker > FLICKER_GOAL),
        (
            f"error under motion above {MOTION_GOAL} times what resampling causes",
            lambda b: b.motion / b.resampling,
            lambda b: b.motion > MOTION_GOAL * b.resampling,
        ),
    ]
    points = []
    for what, number, missed in tests:
        missing = [f"{effect} {number(found):.2f}" for effect, found in scored if missed(found)]
        verdict = f"{len(missing)} of {len(scored)} paintings: {_list(missing)}" if missing else "no painting"
        points.append(f"{name}, brushwork: {what}: {verdict}.")
    return points


def _group(groups: Sequence[GroupScore], name: str) -> str:
    return next((f"{group.lpips:.3f} ({group.face_lpips:.3f})" for group in groups if group.group == name), "-")


def _worst(groups: Sequence[GroupScore]) -> str:
    whole, face = Groups.worst(groups, face=False), Groups.worst(groups, face=True)
    if whole is None or face is None:
        return "-"
    return f"{whole[0]} {_percent(whole[1])} ({face[0]} {_percent(face[1])})"


def _percent(ratio: float) -> str:
    return f"{100.0 * (ratio - 1.0):+.0f} %"


def _groups(evaluation: Evaluation) -> list[str]:
    rows = [
        [
            effect.name,
            *(_group(effect.groups.held_out, name) for name in GROUPS),
            _worst(effect.groups.held_out),
            *(_group(effect.groups.trained_on, name) for name in GROUPS),
            _worst(effect.groups.trained_on),
        ]
        for effect in evaluation.effects
    ]
    head = ["effect", *(f"held out: {g}" for g in GROUPS), "worst", *(f"trained on: {g}" for g in GROUPS), "worst"]
    return _table(head, rows)


def _counts(groups: Sequence[GroupScore]) -> str:
    there = {group.group: group.portraits for group in groups}
    return ", ".join(f"{there.get(name, 0)} of Monk {name}" for name in GROUPS)


def _skin(evaluations: Sequence[Evaluation]) -> list[str]:
    first = evaluations[0].effects[0].groups
    lines = [
        "Monk tones are estimated: the face is found with UltraFace RFB-320, skin is taken from the middle of it (by "
        "hue, without the darkest third and without outliers), and its median is matched with the nearest of the ten "
        "Monk swatches in CIELAB. Exposure moves that by a tone or two: the groups are groups of pictures, not of "
        f"people. Held out: {_counts(first.held_out)}. Trained on, evenly picked by lightness: "
        f"{_counts(first.trained_on)}; these show whether the student learned all tones equally, not how it does on "
        "new faces. LPIPS-sq against the teacher over the portrait, in brackets over the face alone, which leaves the "
        "background out. *Worst* is the group furthest above the mean of the groups; the goal is at most "
        f"{_percent(GROUP_GOAL)}.",
    ]
    if few := [group.group for group in first.held_out if group.portraits < 3]:
        lines.append(
            f"With fewer than three held-out portraits ({', '.join(few)}) one picture's difficulty decides: read the "
            "trained-on columns beside them."
        )
    if empty := [name for name in GROUPS if name not in {group.group for group in first.held_out}]:
        lines.append(f"No held-out portrait is in: {', '.join(empty)}.")
    for evaluation in evaluations:
        lines += ["", f"### Variant {evaluation.variant}", "", *_groups(evaluation)]
    return lines


def _optional(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)


def _stability(evaluations: Sequence[Evaluation]) -> list[str]:
    first = evaluations[0]
    rows = [
        [
            "*input*",
            *("", f"{first.input_stability.flicker:.2f}"),
            *("" for _ in evaluations),
            *("", f"{first.input_stability.warping:.2f}"),
            *("" for _ in evaluations),
            *("", _optional(first.input_stability.clips)),
            *("" for _ in evaluations),
        ]
    ]
    for index, effect in enumerate(first.effects):
        scored = [evaluation.effects[index] for evaluation in evaluations]
        students = [score.stability for score in scored]
        teacher, given = effect.teacher_stability, effect.given_stability
        rows.append(
            [
                effect.name,
                _optional(given.flicker if given else None),
                *(f"{s.flicker:.2f}" for s in (teacher, *students)),
                *(_optional(given.warping if given else None), f"{teacher.warping:.2f}"),
                *(f"{score.stability.warping:.2f} ({score.resampling:.2f})" for score in scored),
                *(_optional(s.clips if s else None) for s in (given, teacher, *students)),
            ]
        )
    ids = [evaluation.variant for evaluation in evaluations]
    head = [
        "effect",
        *(name for what in ("flicker", "warping", "clips") for name in (f"{what}: given", "teacher", *ids)),
    ]
    return _table(head, rows)


def _stability_text(evaluation: Evaluation) -> str:
    motions = ", ".join(
        {
            "slide": f"a slide by {m.down} and {m.right} pixels",
            "zoom": f"a zoom by {100 * (m.zoom - 1):.1f} %",
            "turn": f"a turn by {m.degrees:.0f} degree",
        }[m.name]
        for m in stability.MOTIONS
    )
    clips = (
        f"*Clips*: {evaluation.clip_frames} successive frames of {_list(evaluation.clip_names)}, where nothing moves "
        "(no change of the smoothed brightness above 3 of 255 within 12 pixels). "
        if evaluation.clip_names
        else "No clips were at hand. "
    )
    return (
        "Mean |difference| in steps of 1/255. *Flicker*: the paintings of one picture under fresh sensor noise (sigma "
        f"2 of 255), {evaluation.stability_pictures} pictures. *Warping*: error after exact synthetic motion "
        f"({motions}), the second painting carried back by the known flow (Lai et al. 2018 with the flow given instead "
        "of estimated, mean absolute instead of squared), no noise; in brackets the error of the student's painting "
        "when it is moved as a picture, which resampling alone causes: no painter with lines as crisp has less. "
        f"{clips}*Given* is the stylisation network as it is, *teacher* what the student learned from: for paintings "
        "the same network calmed. The input's own numbers stand in the first row, under *teacher*."
    )


def _latency(evaluations: Sequence[Evaluation]) -> list[str]:
    rows = [
        [
            e.variant,
            latency.engine,
            f"{latency.width} x {latency.height}",
            f"{latency.p50_ms:.1f}",
            f"{latency.p95_ms:.1f}",
        ]
        for e in evaluations
        for latency in e.latencies
    ]
    return _table(["variant", "engine", "size", "p50 ms", "p95 ms"], rows)


def _quantised(subjects: Sequence[Subject]) -> list[str]:
    tried = [(subject.packed.id, trial) for subject in subjects for trial in subject.quantised]
    if not tried:
        return ["int8 builds have not been tried with these weights (`quantise` does it)."]
    rows = [
        [
            id,
            trial.method,
            f"{trial.bytes / 1000:.0f}",
            f"{trial.psnr:.1f}",
            f"{trial.gate_db:.0f}",
            _optional(trial.latency_ratio),
            "yes" if trial.ships else "no",
        ]
        for id, trial in tried
    ]
    head = ["variant", "build", "kB", "worst PSNR dB", "gate dB", "time / fp32", "passes"]
    return [
        "Tried against float32: worst PSNR over every effect and some held-out pictures, and the time of a run on this "
        "machine's CPU over that of the float32 build (medians, in turns, one process). A build that fails its gate or "
        "is not faster does not ship; the pack holds float16 weights, computed in float32.",
        "",
        *_table(head, rows),
    ]


PORTS = {"litert": "LiteRT (TensorFlow Lite)", "coreml": "Core ML"}


def _ports(subjects: Sequence[Subject]) -> list[str]:
    made = [(subject.packed.id, port) for subject in subjects for port in subject.ported]
    if not made:
        return []
    rows = [
        [
            id,
            PORTS[port.format],
            f"{port.bytes / 1000:.0f}",
            _optional(port.psnr, ".1f"),
            _optional(port.ms, ".1f"),
            _optional(port.ms_onnx, ".1f"),
        ]
        for id, port in made
    ]
    lines = [
        *("", "## Other runtimes", ""),
        "`export --format` writes them; they are not part of the pack. Weights in float16, canvas and style as inputs. "
        f"Parity is the worst PSNR over every style against the student in float32; the gate is {HALF_GATE_DB:.0f} dB. "
        "Times are medians of runs in turns on one thread of this machine's processor.",
    ]
    if any(port.format == "coreml" for _, port in made):
        lines.append("Core ML packages were converted and their structure checked; they were not run.")
    head = ["variant", "runtime", "kB", "worst PSNR dB", "ms", "ONNX Runtime, ms"]
    return [*lines, "", *_table(head, rows)]


def weak_points(evaluations: Sequence[Evaluation]) -> list[str]:
    """What the numbers say against the pack, goal by goal; also where a goal is met."""
    points = []
    for evaluation in evaluations:
        effects, name = evaluation.effects, f"Variant {evaluation.variant}"
        held = [e for e in effects if e.brushwork is None] or list(effects)
        worst = max(held, key=lambda e: e.portraits.lpips)
        unlike = [e.name for e in effects if e.brushwork is None and e.portraits.lpips > LPIPS_GOAL]
        points += _brushwork_points(evaluation, name)
        aim = "goal" if evaluation.variant in LPIPS_GOAL_VARIANTS else "goal of the larger variants"
        verdict = (
            f"{len(unlike)} of {len(held)} effects are above the {aim} of {LPIPS_GOAL:.2f}: {_list(unlike)}."
            if unlike
            else f"every effect meets the {aim} of {LPIPS_GOAL:.2f}."
        )
        points.append(
            f"{name}: least like its teacher on portraits is {worst.name} (LPIPS-sq {worst.portraits.lpips:.3f}); "
            f"{verdict}"
        )
        if restless := [f"{e.name} {e.stability.flicker:.2f}" for e in effects if e.stability.flicker > FLICKER_GOAL]:
            points.append(f"{name}: flickers by more than {FLICKER_GOAL} of 255: {_list(restless)}.")
        shaky = [
            f"{e.name} {e.stability.warping:.1f} ({e.resampling:.1f}) to {e.restless.warping:.1f}"
            for e in effects
            if e.stability.warping > WARPING_GOAL * e.restless.warping
        ]
        if shaky:
            points.append(
                f"{name}: warping error (in brackets what resampling alone causes) above {WARPING_GOAL} of the "
                "teacher's (the given network as it is, else an algorithm, which is calm; the input has "
                f"{evaluation.input_stability.warping:.1f}): {_list(shaky)}."
            )
        for what, groups in (
            ("held-out", {e.name: e.groups.held_out for e in effects}),
            ("trained-on", {e.name: e.groups.trained_on for e in effects}),
        ):
            for part, face in (("whole portraits", False), ("faces alone", True)):
                found = {effect: Groups.worst(scored, face) for effect, scored in groups.items()}
                unequal = [
                    f"{effect} (Monk {worst[0]}, {_percent(worst[1])})"
                    for effect, worst in found.items()
                    if worst is not None and worst[1] > GROUP_GOAL
                ]
                if unequal:
                    points.append(
                        f"{name}: a skin-tone group of the {what} portraits is worse than the mean by more than "
                        f"{_percent(GROUP_GOAL).lstrip('+')}, judged by {part}: {_list(unequal)}."
                    )
        if pale := [f"{e.name} {e.student.colour:.2f}" for e in effects if e.student.colour < WASHED_OUT]:
            points.append(f"{name}: colours spread less than {WASHED_OUT} of the teacher's: {_list(pale)}.")
        met = []
        if not restless:
            met.append(f"flicker of at most {FLICKER_GOAL}")
        if not shaky:
            met.append(f"warping error of at most {WARPING_GOAL} of the teacher's")
        if met:
            points.append(f"{name} meets for every effect: {_list(met)}.")
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


def _effects(recipe: Recipe) -> list[str]:
    """A line per kind."""
    kinds: dict[str, list[str]] = {}
    for effect in recipe.effects:
        named = f"*{effect.title}*" + (f" ({effect.artist})" if effect.artist else "")
        kinds.setdefault(effect.kind, []).append(named)
    return [f"- {kind}: {'; '.join(titles)}" for kind, titles in kinds.items()]


def _brushwork_section(evaluations: Sequence[Evaluation]) -> list[str]:
    brushed = [e for e in evaluations if any(effect.brushwork is not None for effect in e.effects)]
    if not brushed:
        return []
    lines = ["", "## Brushwork", "", _brushwork_text(brushed[0])]
    for evaluation in brushed:
        lines += ["", f"### Variant {evaluation.variant}", "", *_brushwork(evaluation)]
    return lines


def card(recipe: Recipe, lesson: Lesson, subjects: Sequence[Subject], credit_lines: Sequence[str]) -> str:
    """The text of `CARD.md`."""
    timed = [subject.evaluation for subject in subjects]
    trained = [subject for subject in subjects if not subject.weights_of]
    evaluations = [subject.evaluation for subject in trained]
    first = evaluations[0]
    views = {view: sum(content.view is view for content in lesson.training) for view in View}
    loads = " and ".join(f"{evaluation.load_average:.1f}" for evaluation in timed)
    lines = [
        f"# {recipe.name}",
        "",
        f"{len(recipe.effects)} effects in one network per variant. A style vector picks one, or blends several.",
        "",
        *_effects(recipe),
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
        f"- Augmentation of the input alone: mirroring, exposure, gamma, tint, low light, uneven and coloured "
        f"light, softness, sensor noise, JPEG; "
        f"crops of {recipe.training.crop} pixels. Covered portraits wear spectacles, or a hand or an object is before "
        "the face.",
        f"- Portraits of rarer skin tones are drawn more often (balance {recipe.training.tone_balance:g} of 1).",
        *(f"- {note}" for note in recipe.notes),
        "",
        *_table(
            ["variant", "steps", "crops", "training minutes"],
            [
                [s.packed.id, str(s.training.steps), str(s.training.crops), f"{s.training.seconds / 60:.0f}"]
                for s in trained
            ],
        ),
        "",
        "## Size and speed",
        "",
        *_table(
            ["variant", "nominal size", "MMAC", "parameters", "kB"],
            [
                [v.id, f"{v.width} x {v.height}", f"{v.mmac}", str(v.params), f"{v.bytes / 1000:.0f}"]
                for v in (subject.packed for subject in subjects)
            ],
        ),
        "",
        *_latency(timed),
        "",
        f"Measured on {first.machine}, load average {loads}: one run of the network, without camera, upload and "
        "window. A loaded machine makes these longer.",
        *(
            f"Variant {s.packed.id} runs the weights of {s.weights_of} at its own size; likeness and stability, which "
            f"are measured at {SIDE} x {SIDE}, are those of {s.weights_of}."
            for s in subjects
            if s.weights_of
        ),
        "",
        "## Parity",
        "",
        "The exported file (weights in float16) against the network in float32; the gate is "
        f"{HALF_GATE_DB:.0f} dB. Sizes: {', '.join(f'{w} x {h}' for w, h in evaluate.PARITY_SIZES)}; every style.",
        "",
        *_table(
            ["variant", "worst PSNR dB", "largest difference"],
            [[e.variant, f"{e.parity_psnr:.1f}", f"{e.parity_max:.4f}"] for e in evaluations],
        ),
        "",
        "## Quantisation",
        "",
        *_quantised(subjects),
        *_ports(subjects),
        *_brushwork_section(evaluations),
        "",
        "## Likeness to the teacher",
        "",
        f"{first.pictures} held-out pictures at {SIDE} x {SIDE}, {first.portrait_pictures} of them portraits"
        f"{' (a quick measurement on fewer pictures than usual)' if first.quick else ''}. The untouched photo's "
        "numbers stand beside. LPIPS-sq is LPIPS v0.1 on this package's SqueezeNet: compare it only with itself. "
        "*Colour* is the spread of the opponent colours over that of the teacher's painting: below 1 is paler.",
    ]
    for evaluation in evaluations:
        lines += ["", f"### Variant {evaluation.variant}", "", *_likeness(evaluation)]
    lines += [
        *("", "## Skin tones", ""),
        *_skin(evaluations),
        *("", "## Stability", ""),
        _stability_text(first),
        "",
        *_stability(evaluations),
        *("", "## What it is bad at", ""),
        *(f"- {point}" for point in weak_points(evaluations)),
    ]
    if recipe.dropped:
        lines += ["", "## Tried and dropped", "", *(f"- {what}" for what in recipe.dropped)]
    lines += [
        *("", "## Credits and licences", ""),
        f"Weights: {recipe.licence}.",
        "",
        *(f"- {line}" for line in credit_lines),
    ]
    return "\n".join(lines) + "\n"
