"""Painting the targets: every content in every style, once, spread over processes.

Work is ordered by content, so a partly filled cache holds some contents in all styles.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from impasto_training import data, targets
from impasto_training.data import Content, View
from impasto_training.faces import FaceFinder
from impasto_training.images import Picture
from impasto_training.recipe import EffectSettings, Recipe, RecipeError
from impasto_training.teachers import registry
from impasto_training.teachers.base import SIDE, Prepared, Teacher
from impasto_training.teachers.registry import TeacherError


@dataclass(frozen=True)
class Lesson:
    """What a recipe asks to be painted, resolved against the data folder."""

    training: list[Content]
    validation: list[Content]
    styles: list[str]
    """Style keys, in the order of the recipe's effects."""


def teacher(effect: EffectSettings, data_root: Path, device: torch.device = registry.CPU) -> Teacher:
    """Who paints an effect's targets."""
    try:
        return registry.teacher(effect.teacher, data_root, device)
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
        training=data.training_contents(
            portraits, scenes, wanted.portraits, wanted.scenes, wanted.mosaics, wanted.covered
        ),
        validation=data.validation_contents(portraits, scenes, wanted.validation_scenes),
        styles=[targets.style_key(**teacher(effect, data_root).facts()) for effect in recipe.effects],
    )


GPU_BATCH = 16
"""Contents that are painted at once on a GPU; processes on a CPU take one at a time, which spreads better."""


def content_picture(content: Content, cache: targets.TargetCache, finder: FaceFinder | None) -> Picture:
    """The content's picture, `SIDE` pixels wide, from the cache where it is there already."""
    path = cache.content_path(content)
    if path.exists():
        return np.array(cache.read(path))
    picture = content.picture(SIDE, finder)
    cache.write(path, picture)
    return picture


@dataclass(frozen=True)
class _Job:
    contents: list[Content]
    missing: list[tuple[str, EffectSettings]]
    """(style key, effect) pairs; each lacks at least one of the contents."""


class _Painter:
    """One worker process: its teachers, made once."""

    _instance: _Painter

    def __init__(self, data_root: Path, cache_root: Path, device: torch.device) -> None:
        self.data_root = data_root
        self.device = device
        self.teachers: dict[str, Teacher] = {}
        self.finder: FaceFinder | None = None
        self.cache = targets.TargetCache(cache_root)

    @classmethod
    def start(cls, data_root: Path, cache_root: Path, device: torch.device) -> None:
        torch.set_num_threads(1)  # processes share the cores already
        cls._instance = cls(data_root, cache_root, device)

    @classmethod
    def run(cls, job: _Job) -> int:
        return cls._instance.paint(job)

    def paint(self, job: _Job) -> int:
        if self.finder is None and any(content.view is View.COVERED for content in job.contents):
            self.finder = FaceFinder(self.data_root)
        pictures = [content_picture(content, self.cache, self.finder) for content in job.contents]
        painted = 0
        for key, effect in job.missing:
            if key not in self.teachers:
                self.teachers[key] = teacher(effect, self.data_root, self.device)
            lacking = [
                (self.cache.target_path(content, key), picture)
                for content, picture in zip(job.contents, pictures, strict=True)
                if not self.cache.target_path(content, key).exists()
            ]
            paintings = self.teachers[key].paint_all([picture for _, picture in lacking]) if lacking else []
            for (path, _), painting in zip(lacking, paintings, strict=True):
                self.cache.write(path, painting)
            painted += len(lacking)
        return painted


def _jobs(recipe: Recipe, plan: Lesson, cache: targets.TargetCache, batch: int) -> Iterator[_Job]:
    contents = list(dict.fromkeys([*plan.validation, *plan.training]))
    for start in range(0, len(contents), batch):
        group = contents[start : start + batch]
        missing = [
            (key, effect)
            for key, effect in zip(plan.styles, recipe.effects, strict=True)
            if not all(cache.target_path(content, key).exists() for content in group)
        ]
        if missing:
            yield _Job(group, missing)


def teach(recipe: Recipe, data_root: Path, cache_root: Path, device: torch.device = registry.CPU) -> Lesson:
    """Paints whatever is missing in the cache and returns what there is now."""
    plan = lesson(recipe, data_root)
    cache = targets.TargetCache(cache_root)
    on_cpu = device.type == "cpu"
    jobs = list(_jobs(recipe, plan, cache, 1 if on_cpu else GPU_BATCH))
    if not jobs:
        return plan
    for effect in {effect.name: effect for job in jobs for _, effect in job.missing}.values():
        painter = teacher(effect, data_root, device)
        if isinstance(painter, Prepared):
            painter.prepare()
    workers = min(len(jobs), os.cpu_count() or 1) if on_cpu else 1
    lacking = sum(
        not cache.target_path(c, key).exists() for job in jobs for c in job.contents for key, _ in job.missing
    )
    context = multiprocessing.get_context("spawn")
    with (
        context.Pool(workers, initializer=_Painter.start, initargs=(data_root, cache_root, device)) as pool,
        tqdm(total=lacking, unit="target", desc=f"teach {recipe.name}") as progress,
    ):
        for count in pool.imap_unordered(_Painter.run, jobs):
            progress.update(count)
    return plan
