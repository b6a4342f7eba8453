"""Measuring an exported variant on the held-out pictures, beside its teacher and the untouched photo.

- *Likeness*: PSNR, SSIM and LPIPS-sq of the painting against the teacher's target.
- *Flicker*: the same picture twice under fresh sensor noise; how much do the two paintings differ?
- *Motion*: the same, where the second picture is moved by a known shift and its painting moved back.
- *Parity*: the exported file against the network in float32.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from tqdm import tqdm

from impasto_training import metrics
from impasto_training.data import Content
from impasto_training.engine import Engine
from impasto_training.images import FloatPicture, save_picture, to_float, to_picture
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import Student
from impasto_training.recipe import Recipe, VariantSettings
from impasto_training.targets import TargetCache
from impasto_training.teach import Lesson, teacher

NOISE_SIGMA = 2.0 / 255.0
"""Sensor noise of the flicker and motion tests: a webcam in ordinary room light."""

MOTION = (3, 5)
"""Pixels (down, right) between the two pictures of the motion test: odd, so no stride hides anything."""

MOTION_EDGE = 16
PARITY_SIZES = ((320, 192), (192, 320), (512, 288))
STABILITY_PICTURES = 4
LATENCY_THREADS = 1
"""More threads depend on what else the machine does."""


@dataclass(frozen=True)
class Likeness:
    """Against the teacher, mean over pictures."""

    psnr: float
    ssim: float
    lpips: float


@dataclass(frozen=True)
class EffectScore:
    """One effect of one variant. `flicker` and `motion` in steps of 1/255."""

    name: str
    student: Likeness
    portraits: Likeness
    untouched: Likeness
    flicker: float
    motion: float
    teacher_flicker: float
    teacher_motion: float


@dataclass(frozen=True)
class Evaluation:
    """Everything that a card says about one variant."""

    variant: str
    pictures: int
    portrait_pictures: int
    input_flicker: float
    parity_psnr: float
    parity_max: float
    latency_p50_ms: float
    latency_p95_ms: float
    machine: str
    load_average: float
    """Load average of the machine while the latency was measured."""

    effects: list[EffectScore]

    def save(self, path: Path) -> None:
        """Writes JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Evaluation:
        """Reads what `save` wrote."""
        table = json.loads(path.read_text(encoding="utf-8"))
        for effect in table["effects"]:
            effect.update({key: Likeness(**value) for key, value in effect.items() if isinstance(value, dict)})
        return cls(**{**table, "effects": [EffectScore(**effect) for effect in table["effects"]]})


def parity(student: Student, engine: Engine, seed: int) -> tuple[float, float]:
    """(worst PSNR in dB, largest |difference|) of the exported file against torch, over sizes and blends."""
    generator = torch.Generator().manual_seed(seed)
    worst, largest = float("inf"), 0.0
    for width, height in PARITY_SIZES:
        image = torch.rand(1, 3, height, width, generator=generator)
        image = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
        for style in range(student.styles):
            with torch.no_grad():
                vector = torch.nn.functional.one_hot(torch.tensor([style]), student.styles).float()
                expected = student(image, vector)[0].permute(1, 2, 0).numpy()
            got = engine.paint(image[0].permute(1, 2, 0).numpy(), style)
            worst = min(worst, metrics.psnr(got, expected))
            largest = max(largest, float(np.abs(got - expected).max()))
    return worst, largest


def noisy(picture: FloatPicture, rng: np.random.Generator) -> FloatPicture:
    """With fresh sensor noise."""
    noise = rng.normal(0.0, NOISE_SIGMA, picture.shape).astype(np.float32)
    return np.asarray(np.clip(picture + noise, 0.0, 1.0), np.float32)


def moved_difference(first: FloatPicture, second: FloatPicture) -> float:
    """Mean |difference| (of 255) where `second` shows the scene of `first` rolled by `MOTION`; borders left out."""
    down, right = MOTION
    back = np.roll(second, (-down, -right), axis=(0, 1))
    inner = slice(MOTION_EDGE, -MOTION_EDGE)
    return metrics.difference_255(first[inner, inner], back[inner, inner])


def _mean(scores: list[Likeness]) -> Likeness:
    return Likeness(
        fmean(score.psnr for score in scores),
        fmean(score.ssim for score in scores),
        fmean(score.lpips for score in scores),
    )


def _likeness(painted: FloatPicture, target: FloatPicture, distance: LpipsSqueeze) -> Likeness:
    return Likeness(
        metrics.psnr(painted, target), metrics.ssim(painted, target), metrics.lpips_sq(painted, target, distance)
    )


class Evaluator:
    """Measures the variants of one recipe; what is the same for all of them is measured once."""

    def __init__(
        self, recipe: Recipe, lesson: Lesson, data_root: Path, cache: TargetCache, distance: LpipsSqueeze
    ) -> None:
        self.recipe = recipe
        self.lesson = lesson
        self.cache = cache
        self.distance = distance
        self.teachers = [teacher(effect, data_root) for effect in recipe.effects]
        portraits = data_root / "photos" / "portraits"
        self.is_portrait = [portraits in content.photos[0].path.parents for content in lesson.validation]

    def photo(self, content: Content) -> FloatPicture:
        """The untouched picture."""
        return to_float(self.cache.read(self.cache.content_path(content)))

    def target(self, content: Content, style: int) -> FloatPicture:
        """The teacher's painting."""
        return to_float(self.cache.read(self.cache.target_path(content, self.lesson.styles[style])))

    def looks(self) -> list[tuple[FloatPicture, FloatPicture, FloatPicture]]:
        """(noisy, noisy again, noisy and moved) for the first few pictures; the same at every call."""
        rng = np.random.default_rng(self.recipe.seed)
        chosen = [self.photo(content) for content in self.lesson.validation[:STABILITY_PICTURES]]
        return [
            (noisy(picture, rng), noisy(picture, rng), noisy(np.roll(picture, MOTION, axis=(0, 1)), rng))
            for picture in chosen
        ]

    @cached_property
    def teacher_stability(self) -> list[tuple[float, float]]:
        """(flicker, motion) per style of the calmed teacher, as it made the targets."""
        pairs = []
        for painter in tqdm(self.teachers, unit="style", desc="evaluate the teacher"):
            flickers, motions = [], []
            for looks in self.looks():
                first, again, moved = (to_float(painter.paint(to_picture(look))) for look in looks)
                flickers.append(metrics.difference_255(first, again))
                motions.append(moved_difference(first, moved))
            pairs.append((fmean(flickers), fmean(motions)))
        return pairs

    @cached_property
    def untouched(self) -> list[Likeness]:
        """Per style, how far the photo itself is from the teacher's painting."""
        return [
            _mean(
                [
                    _likeness(self.photo(content), self.target(content, style), self.distance)
                    for content in self.lesson.validation
                ]
            )
            for style in range(len(self.teachers))
        ]

    def effect(self, engine: Engine, style: int) -> EffectScore:
        """All numbers of one effect."""
        student = [
            _likeness(engine.paint(self.photo(content), style), self.target(content, style), self.distance)
            for content in self.lesson.validation
        ]
        flickers, motions = [], []
        for looks in self.looks():
            first, again, moved = (engine.paint(look, style) for look in looks)
            flickers.append(metrics.difference_255(first, again))
            motions.append(moved_difference(first, moved))
        teacher_flicker, teacher_motion = self.teacher_stability[style]
        return EffectScore(
            name=self.recipe.effects[style].name,
            student=_mean(student),
            portraits=_mean([score for score, face in zip(student, self.is_portrait, strict=True) if face]),
            untouched=self.untouched[style],
            flicker=fmean(flickers),
            motion=fmean(motions),
            teacher_flicker=teacher_flicker,
            teacher_motion=teacher_motion,
        )

    def variant(self, variant: VariantSettings, student: Student, onnx_path: Path) -> Evaluation:
        """All numbers of one variant."""
        engine = Engine(onnx_path)
        parity_psnr, parity_max = parity(student, engine, self.recipe.seed)
        load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        p50, p95 = Engine(onnx_path, LATENCY_THREADS).latency_ms(variant.width, variant.height)
        styles = tqdm(range(len(self.recipe.effects)), unit="effect", desc=f"evaluate {variant.id}")
        return Evaluation(
            variant=variant.id,
            pictures=len(self.lesson.validation),
            portrait_pictures=sum(self.is_portrait),
            input_flicker=fmean(metrics.difference_255(first, again) for first, again, _ in self.looks()),
            parity_psnr=parity_psnr,
            parity_max=parity_max,
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            machine=f"{os.cpu_count()} x {processor()}",
            load_average=load_average,
            effects=[self.effect(engine, style) for style in styles],
        )

    def sheet(self, onnx_path: Path, path: Path) -> None:
        """A contact sheet: a row per held-out picture, photo first; per effect the teacher above the student."""
        engine = Engine(onnx_path)
        rows = []
        for content in self.lesson.validation:
            photo = self.photo(content)
            above, below = [photo], [photo]
            for style in range(len(self.recipe.effects)):
                above.append(self.target(content, style))
                below.append(engine.paint(photo, style))
            rows += [np.hstack(above), np.hstack(below)]
        save_picture(to_picture(np.vstack(rows)), path)


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
