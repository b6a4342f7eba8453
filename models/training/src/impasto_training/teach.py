"""Painting the targets: every content in every style, once, spread over processes.

Work is ordered by content, so a partly filled cache holds some contents in all styles.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from impasto_training import data, targets
from impasto_training.data import Content
from impasto_training.images import load_picture
from impasto_training.recipe import Recipe, RecipeError
from impasto_training.teachers.arbitrary_style import SIDE, ArbitraryStyle, StyleCode, smoothed

METHOD = "arbitrary-style"


@dataclass(frozen=True)
class Lesson:
    """What a recipe asks to be painted, resolved against the data folder."""

    training: list[Content]
    validation: list[Content]
    styles: list[str]
    """Style keys, in the order of the recipe's effects."""


def lesson(recipe: Recipe, data_root: Path) -> Lesson:
    """Resolves a recipe: which contents, and the key of each style."""
    if recipe.teacher.method != METHOD:
        raise RecipeError(f"unknown teacher method {recipe.teacher.method!r}; known is {METHOD!r}")
    portraits = data.scan(data_root / "photos" / "portraits")
    scenes = data.scan(data_root / "photos" / "scenes")
    if not portraits:
        raise RecipeError(f"no portraits below {data_root / 'photos'}; set IMPASTO_DATA to the data folder")
    wanted = recipe.contents
    styles = [
        targets.style_key(
            method=recipe.teacher.method,
            smoothing=recipe.teacher.smoothing,
            painting=data.Photo.read(data_root / effect.painting).sha256,
        )
        for effect in recipe.effects
    ]
    return Lesson(
        training=data.training_contents(portraits, scenes, wanted.portraits, wanted.scenes, wanted.mosaics),
        validation=data.validation_contents(portraits, scenes, wanted.validation_scenes),
        styles=styles,
    )


@dataclass(frozen=True)
class _Job:
    content: Content
    missing: list[tuple[str, Path]]
    """(style key, painting) pairs."""


class _Painter:
    """One worker process: a teacher and its style codes, made once."""

    _instance: _Painter

    def __init__(self, data_root: Path, cache_root: Path, smoothing: float) -> None:
        self.teacher = ArbitraryStyle(data_root / "teachers" / "arbitrary_style")
        self.codes: dict[str, StyleCode] = {}
        self.cache = targets.TargetCache(cache_root)
        self.smoothing = smoothing

    @classmethod
    def start(cls, data_root: Path, cache_root: Path, smoothing: float) -> None:
        cls._instance = cls(data_root, cache_root, smoothing)

    @classmethod
    def run(cls, job: _Job) -> int:
        return cls._instance.paint(job)

    def paint(self, job: _Job) -> int:
        picture = job.content.picture(SIDE)
        path = self.cache.content_path(job.content)
        if not path.exists():
            self.cache.write(path, picture)
        calm = smoothed(picture, self.smoothing)
        for key, painting in job.missing:
            if key not in self.codes:
                self.codes[key] = self.teacher.style_code(load_picture(painting))
            self.cache.write(self.cache.target_path(job.content, key), self.teacher.paint(calm, self.codes[key]))
        return len(job.missing)


def _jobs(recipe: Recipe, plan: Lesson, data_root: Path, cache: targets.TargetCache) -> Iterator[_Job]:
    paintings = [data_root / effect.painting for effect in recipe.effects]
    for content in [*plan.validation, *plan.training]:
        missing = [
            (key, painting)
            for key, painting in zip(plan.styles, paintings, strict=True)
            if not cache.target_path(content, key).exists()
        ]
        if missing:
            yield _Job(content, missing)


def teach(recipe: Recipe, data_root: Path, cache_root: Path) -> Lesson:
    """Paints whatever is missing in the cache and returns what there is now."""
    plan = lesson(recipe, data_root)
    jobs = list(_jobs(recipe, plan, data_root, targets.TargetCache(cache_root)))
    if not jobs:
        return plan
    workers = min(len(jobs), os.cpu_count() or 1)
    start_args = (data_root, cache_root, recipe.teacher.smoothing)
    context = multiprocessing.get_context("spawn")
    with (
        context.Pool(workers, initializer=_Painter.start, initargs=start_args) as pool,
        tqdm(total=sum(len(job.missing) for job in jobs), unit="target", desc=f"teach {recipe.name}") as progress,
    ):
        for count in pool.imap_unordered(_Painter.run, jobs):
            progress.update(count)
    return plan
