"""Which network for how many milliseconds: candidates trained alike, briefly, and set against what they cost.

Multiply-adds are a poor guess of time: depthwise layers and large pictures are bound by memory. So every candidate is
exported and timed by ONNX Runtime, on one thread, in turns with a reference so that the machine's moods cancel; its
quality is LPIPS-sq of held-out pictures, painted at the candidate's own resolution and brought back to the target's.
Short training ranks networks well enough to choose between them (as in Tan and Le 2019, EfficientNet, section 3.3: a
small proxy, then scale what won); the numbers say nothing about a finished network.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median

import torch
from torch.nn import functional as F

from impasto_training import distil, export
from impasto_training.batches import Crops
from impasto_training.engine import Engine
from impasto_training.images import to_float
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import ARCHITECTURES, STRIDE, Architecture, Student, mobilenet
from impasto_training.recipe import Recipe, VariantSettings
from impasto_training.targets import TargetCache
from impasto_training.teach import Lesson

VALIDATION_PICTURES = 8
ROUNDS = 5
"""How often candidate and reference are timed in turns; each time the median of `RUNS` runs."""

RUNS = 7


Size = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True)
class Candidate:
    """A network and the size at which it would paint. One network at several sizes is trained once."""

    network: str
    architecture: Architecture
    width: int
    height: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.network} at {self.width} x {self.height}"


@dataclass(frozen=True)
class Finding:
    """What a candidate came to."""

    name: str
    width: int
    height: int
    mmac: float
    parameters: int
    milliseconds: float
    ratio: float
    """Time over the reference's, measured in turns: what findings are compared by. `milliseconds` depend on what else
    the machine did at that moment."""

    lpips: float
    steps: int


def candidates() -> Iterator[Candidate]:
    """Width, depth, expansion and resolution, one at a time, around the two shipped networks."""
    small, medium = ARCHITECTURES["small"], ARCHITECTURES["medium"]
    widths = (16, 24, 24, 32, 64)
    for width, height in ((320, 192), (256, 144), (400, 240), (512, 288)):
        yield Candidate("small", small, width, height)
    for width, height in ((320, 192), (512, 288), (768, 432)):
        yield Candidate("medium", medium, width, height)
    yield Candidate("expansion 3", replace(small, encoder=mobilenet(16, widths, 3, 2)), 320, 192)
    yield Candidate("expansion 6", replace(small, encoder=mobilenet(16, widths, 6, 2)), 320, 192)
    yield Candidate("one deep block", replace(small, encoder=mobilenet(16, widths, 4, 1)), 320, 192)
    yield Candidate("thin decoder", replace(small, decoder=((32, 32), (24, 24), (24, 24))), 320, 192)


def pareto(findings: Sequence[Finding]) -> list[Finding]:
    """Those that no other beats in both time and quality, fastest first."""
    front: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.ratio, f.lpips)):
        if not front or finding.lpips < front[-1].lpips:
            front.append(finding)
    return front


def in_turns(
    engine: Engine, size: tuple[int, int], reference: Engine, reference_size: tuple[int, int]
) -> tuple[float, float]:
    """(milliseconds, ratio to the reference): medians over rounds in which both are timed."""
    times, ratios = [], []
    for _ in range(ROUNDS):
        own, _ = engine.latency_ms(*size, repeats=RUNS)
        other, _ = reference.latency_ms(*reference_size, repeats=RUNS)
        times.append(own)
        ratios.append(own / other)
    return median(times), median(ratios)


def quality(engine: Engine, candidate: Candidate, lesson: Lesson, cache: TargetCache, distance: LpipsSqueeze) -> float:
    """Mean LPIPS-sq over held-out pictures and all styles, painted at the candidate's resolution."""
    side = round((candidate.width * candidate.height) ** 0.5 / STRIDE) * STRIDE
    distances = []
    for content in lesson.validation[:VALIDATION_PICTURES]:
        photo = torch.from_numpy(to_float(cache.read(cache.content_path(content))).copy()).permute(2, 0, 1)[None]
        small = F.interpolate(photo, (side, side), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
        for style, key in enumerate(lesson.styles):
            target = torch.from_numpy(to_float(cache.read(cache.target_path(content, key))).copy()).permute(2, 0, 1)[
                None
            ]
            painted = torch.from_numpy(engine.paint(small, style)).permute(2, 0, 1)[None]
            back = F.interpolate(painted, target.shape[2:], mode="bilinear").clamp(0.0, 1.0)
            with torch.no_grad():
                distances.append(float(distance(back, target)))
    return fmean(distances)


def slimmer(architecture: Architecture, keep: float) -> Architecture:
    """The same network with `keep` (0..1) of the hidden channels of each block that has its own, in steps of 8."""
    encoder = tuple(
        block if index == 0 else replace(block, expanded=max(8, round(block.expanded * keep / 8) * 8))
        for index, block in enumerate(architecture.encoder)
    )
    return replace(architecture, encoder=encoder)


def prune(
    recipe: Recipe,
    variant: VariantSettings,
    keep: float,
    lesson: Lesson,
    steps: int,
    data_root: Path,
    cache_root: Path,
    device: torch.device,
) -> list[Finding]:
    """Cuts hidden channels out of a trained variant, retrains for `steps`, and measures it beside what it came from."""
    folder = cache_root / "search" / recipe.name
    cache = TargetCache(cache_root)
    distance = distil.perceptual_distance(data_root)
    names = [effect.name for effect in recipe.effects]
    whole_path = distil.checkpoint_path(recipe, variant, cache_root)
    whole, _ = distil.load_average(whole_path, variant, len(lesson.styles))
    size = (variant.width, variant.height)
    whole_onnx = folder / f"{variant.id}-whole.onnx"
    export.save(export.to_onnx(whole, names), whole_onnx)
    reference = Engine(whole_onnx, threads=1)
    slim = Candidate(f"{variant.id}, {keep:.0%} of hidden channels,", slimmer(whole.architecture, keep), *size)
    crops = Crops(cache, lesson.training, lesson.styles, recipe.training.crop)
    findings = []
    slug = f"pruned-{variant.id}-{round(keep * 100)}"
    for candidate, retrained in ((Candidate(variant.id, whole.architecture, *size), 0), (slim, 1), (slim, steps)):
        path = folder / f"{slug}-{retrained}.onnx" if retrained else whole_onnx
        if retrained:
            # A run of one step shows what the cut itself costs.
            student = _train(
                candidate,
                f"{slug}-{retrained}",
                recipe,
                crops,
                lesson.styles,
                retrained,
                data_root,
                cache_root,
                device,
                start_from=whole_path,
            )
            export.save(export.to_onnx(student, names), path)
        engine = Engine(path, threads=1)
        findings.append(_finding(candidate, path, engine, (reference, size), lesson, cache, distance, retrained))
    return findings


def search(
    recipe: Recipe, lesson: Lesson, steps: int, data_root: Path, cache_root: Path, device: torch.device
) -> list[Finding]:
    """Trains and measures every candidate; each finding is kept on disk as it is made, so a killed search goes on."""
    folder = cache_root / "search" / recipe.name
    cache = TargetCache(cache_root)
    distance = distil.perceptual_distance(data_root)
    crops = Crops(cache, lesson.training, lesson.styles, recipe.training.crop)
    findings: list[Finding] = []
    reference: tuple[Engine, tuple[int, int]] | None = None
    for candidate in candidates():
        slug = candidate.network.replace(" ", "-")
        onnx_path = folder / f"{slug}-{steps}.onnx"
        result = folder / f"{slug}-{steps}-{candidate.width}x{candidate.height}.json"
        if not onnx_path.exists():
            student = _train(candidate, slug, recipe, crops, lesson.styles, steps, data_root, cache_root, device)
            model = export.to_onnx(student, [effect.name for effect in recipe.effects])
            export.save(model, onnx_path)
        engine, size = Engine(onnx_path, threads=1), (candidate.width, candidate.height)
        reference = reference or (engine, size)
        if not result.exists():
            finding = _finding(candidate, onnx_path, engine, reference, lesson, cache, distance, steps)
            result.write_text(json.dumps(asdict(finding)), encoding="utf-8")
        findings.append(Finding(**json.loads(result.read_text(encoding="utf-8"))))
    return findings


def _finding(
    candidate: Candidate,
    path: Path,
    engine: Engine,
    reference: tuple[Engine, Size],
    lesson: Lesson,
    cache: TargetCache,
    distance: LpipsSqueeze,
    steps: int,
) -> Finding:
    size = (candidate.width, candidate.height)
    milliseconds, ratio = in_turns(engine, size, *reference)
    model = export.load(path)
    return Finding(
        name=candidate.name,
        width=candidate.width,
        height=candidate.height,
        mmac=export.multiply_adds(model, *size) / 1e6,
        parameters=export.parameters(model),
        milliseconds=milliseconds,
        ratio=ratio,
        lpips=quality(engine, candidate, lesson, cache, distance),
        steps=steps,
    )


def _train(
    candidate: Candidate,
    slug: str,
    recipe: Recipe,
    crops: Crops,
    styles: list[str],
    steps: int,
    data_root: Path,
    cache_root: Path,
    device: torch.device,
    start_from: Path | None = None,
) -> Student:
    ARCHITECTURES[slug] = candidate.architecture
    variant = VariantSettings(slug, candidate.width, candidate.height, slug, steps)
    short = replace(recipe, name=f"search-{recipe.name}", variants=(variant,))
    path = distil.distil(short, variant, crops, styles, data_root, cache_root, device, start_from)
    student, _ = distil.load_average(path, variant, len(styles))
    return student


def table(findings: Sequence[Finding]) -> str:
    """For people: one line each, the Pareto front starred."""
    front = pareto(findings)
    lines = [
        "| network | size | MMAC | parameters | time / reference | ms | LPIPS-sq | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for f in sorted(findings, key=lambda f: f.ratio):
        star = "front" if f in front else ""
        lines.append(
            f"| {f.name} | {f.width} x {f.height} | {f.mmac:.0f} | {f.parameters} | {f.ratio:.2f} "
            f"| {f.milliseconds:.1f} | {f.lpips:.3f} | {star} |"
        )
    return "\n".join(lines)


def picture(findings: Sequence[Finding]) -> str:
    """The Pareto picture as SVG: quality (LPIPS-sq, lower is better) over measured time, by powers of two."""
    width, height, left, bottom = 820, 460, 70, 50
    first = math.floor(math.log2(min(f.ratio for f in findings)))
    last = math.ceil(math.log2(max(f.ratio for f in findings)) + 0.3)
    low, high = min(f.lpips for f in findings) - 0.01, max(f.lpips for f in findings) + 0.01

    def across(ratio: float) -> float:
        return left + (math.log2(ratio) - first) / (last - first) * (width - left - 20)

    def place(f: Finding) -> tuple[float, float]:
        return across(f.ratio), 20 + (high - f.lpips) / (high - low) * (height - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{left} 20V{height - bottom}H{width - 20}" fill="none" stroke="#444"/>',
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">time of a run over that of {findings[0].name}, '
        "ONNX Runtime on one thread, in turns</text>",
        f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">LPIPS-sq to the teacher, '
        f"after {findings[0].steps} steps</text>",
    ]
    for tick in range(5):
        value = low + (high - low) * tick / 4
        y = 20 + (high - value) / (high - low) * (height - bottom - 20)
        parts.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{value:.3f}</text>')
    for power in range(first, last + 1):
        x = across(2.0**power)
        parts.append(f'<text x="{x:.0f}" y="{height - bottom + 18}" text-anchor="middle">{2.0**power:g}</text>')
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, pareto(findings)))
    parts.append(f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="2"/>')
    front = pareto(findings)
    # The upper right is free: what takes longer is better. Names stand there, numbers at the points.
    for number, f in enumerate(sorted(findings, key=lambda f: f.ratio), start=1):
        x, y = place(f)
        fill = "#0072b2" if f in front else "#777"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}"/>')
        side = -16 if number % 2 else 7
        parts.append(f'<text x="{x + side:.1f}" y="{y + (12 if number % 2 else -6):.1f}" fill="{fill}">{number}</text>')
        text = f"{number}  {f.name}: {f.lpips:.3f}, {f.ratio:.2f} of the time"
        parts.append(f'<text x="{width - 350}" y="{20 + 17 * number}" fill="{fill}" xml:space="preserve">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])
