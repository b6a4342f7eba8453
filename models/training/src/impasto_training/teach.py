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
from impasto_training.recipe import EffectSettings, Recipe, RecipeError
from impasto_training.teachers import registry
from impasto_training.teachers.base import SIDE, Teacher
from impasto_training.teachers.registry import TeacherError


@dataclass(frozen=True)
class Lesson:
    """What a recipe asks to be painted, resolved against the data folder."""

    training: list[Content]
    validation: list[Content]
    styles: list[str]
    """Style keys, in the order of the recipe's effects."""


def teacher(effect: EffectSettings, data_root: Path) -> Teacher:
    """Who paints an effect's targets."""
    try:
        return registry.teacher(effect.teacher, data_root)
    except TeacherError as error:
        raise RecipeError(f"effect {effect.name!r}: {error}") from error


def lesson(recipe: Recipe, data_root: Path) -> Lesson:
    """Resolves a recipe: which contents, and the key of each style."""
    portraits = data.scan(data_root / "photos" / "portraits")
    scenes = data.scan(data_root / "photos" / "scenes")
    if not portraits:
        raise RecipeError(f"no portraits below {data_root / 'photos'}; set IMPASTO_DATA to the data folder")
    wanted = recipe.contents
    return Lesson(
        training=data.training_contents(portraits, scenes, wanted.portraits, wanted.scenes, wanted.mosaics),
        validation=data.validation_contents(portraits, scenes, wanted.validation_scenes),
        styles=[targets.style_key(**teacher(effect, data_root).facts()) for effect in recipe.effects],
    )


@dataclass(frozen=True)
class _Job:
    content: Content
    missing: list[tuple[str, EffectSettings]]
    """(style key, effect) pairs."""


class _Painter:
    """One worker process: its teachers, made once."""

    _instance: _Painter

    def __init__(self, data_root: Path, cache_root: Path) -> None:
        self.data_root = data_root
        self.teachers: dict[str, Teacher] = {}
        self.cache = targets.TargetCache(cache_root)

    @classmethod
    def start(cls, data_root: Path, cache_root: Path) -> None:
        import torch

        torch.set_num_threads(1)  # processes share the cores already
        cls._instance = cls(data_root, cache_root)

    @classmethod
    def run(cls, job: _Job) -> int:
        return cls._instance.paint(job)

    def paint(self, job: _Job) -> int:
        picture = job.content.picture(SIDE)
        path = self.cache.content_path(job.content)
        if not path.exists():
            self.cache.write(path, picture)
        for key, effect in job.missing:
            if key not in self.teachers:
                self.teachers[key] = teacher(effect, self.data_root)
            self.cache.write(self.cache.target_path(job.content, key), self.teachers[key].paint(picture))
        return len(job.missing)


def _jobs(recipe: Recipe, plan: Lesson, cache: targets.TargetCache) -> Iterator[_Job]:
    for content in [*plan.validation, *plan.training]:
        missing = [
            (key, effect)
            for key, effect in zip(plan.styles, recipe.effects, strict=True)
            if not cache.target_path(content, key).exists()
        ]
        if missing:
            yield _Job(content, missing)


def teach(recipe: Recipe, data_root: Path, cache_root: Path) -> Lesson:
    """Paints whatever is missing in the cache and returns what there is now."""
    plan = lesson(recipe, data_root)
    jobs = list(_jobs(recipe, plan, targets.TargetCache(cache_root)))
    if not jobs:
        return plan
    workers = min(len(jobs), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with (
        context.Pool(workers, initializer=_Painter.start, initargs=(data_root, cache_root)) as pool,
        tqdm(total=sum(len(job.missing) for job in jobs), unit="target", desc=f"teach {recipe.name}") as progress,
    ):
        for count in pool.imap_unordered(_Painter.run, jobs):
            progress.update(count)
    return plan
