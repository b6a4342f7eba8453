"""Which teachers there are: from the `teacher` table of an effect to something that paints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from impasto_training.paths import cache_root
from impasto_training.teachers import feed_forward
from impasto_training.teachers.arbitrary_style import FOLDER, PRECISIONS, ArbitraryStyleTeacher, Manner
from impasto_training.teachers.base import Algorithm, AlgorithmTeacher, Teacher
from impasto_training.teachers.glass import Glass
from impasto_training.teachers.ink import Ink
from impasto_training.teachers.linocut import Linocut
from impasto_training.teachers.neon import Neon
from impasto_training.teachers.oil import Oil
from impasto_training.teachers.papercut import Papercut
from impasto_training.teachers.pencil import Pencil
from impasto_training.teachers.screenprint import Screenprint
from impasto_training.teachers.toon import Toon
from impasto_training.teachers.watercolour import Watercolour


class TeacherError(ValueError):
    """The `teacher` table of an effect cannot be used; the message says what to change."""


ALGORITHMS: dict[str, type[Algorithm]] = {
    algorithm.METHOD: algorithm
    for algorithm in (Glass, Ink, Linocut, Neon, Oil, Papercut, Pencil, Screenprint, Toon, Watercolour)
}
"""Methods that need nothing but the picture and numbers."""


def _arbitrary_style(parameters: Mapping[str, Any], data_root: Path, device: torch.device) -> Teacher:
    known = {"painting": str, "smoothing": float, "calm": float, "precision": str, "side": float, "looks": float}
    _check("arbitrary-style", parameters, known, required={"painting", "smoothing"})
    painting = _existing(parameters["painting"], data_root)
    manner = Manner(
        smoothing=float(parameters["smoothing"]),
        calm=float(parameters.get("calm", Manner.calm)),
        precision=parameters.get("precision", Manner.precision),
        side=int(parameters.get("side", Manner.side)),
        looks=int(parameters.get("looks", Manner.looks)),
    )
    if manner.precision not in PRECISIONS:
        raise TeacherError(f"unknown precision {manner.precision!r}; known are {', '.join(PRECISIONS)}")
    if manner.side < 64 or manner.side % 4 or manner.looks < 1:
        raise TeacherError("side must be a multiple of 4 from 64 on, looks at least 1")
    if manner.precision == "int8" and (manner.side != Manner.side or manner.looks != Manner.looks):
        raise TeacherError('other sides and more looks need precision = "float"')
    return ArbitraryStyleTeacher(data_root / FOLDER, painting, manner, device)


def _feed_forward(parameters: Mapping[str, Any], data_root: Path, device: torch.device) -> Teacher:
    numbers: dict[str, type] = {field.name: float for field in dataclasses.fields(feed_forward.Settings)}
    known = numbers | {"painting": str, "smoothing": float}
    _check(feed_forward.METHOD, parameters, known, required={"painting", "smoothing"})
    painting = _existing(parameters["painting"], data_root)
    settings = feed_forward.Settings(**{name: float(parameters[name]) for name in numbers if name in parameters})
    if settings.crop % 4 or settings.crop < 64:
        raise TeacherError(f"teacher {feed_forward.METHOD!r}: crop must be a multiple of 4 from 64 on")
    smoothing = float(parameters["smoothing"])
    return feed_forward.FeedForwardTeacher(painting, smoothing, settings, data_root, cache_root(), device)


def _existing(painting: str, data_root: Path) -> Path:
    path = data_root / painting
    if not path.is_file():
        raise TeacherError(f"there is no painting at {path}; paths are relative to the data folder")
    return path


BUILDERS: dict[str, Callable[[Mapping[str, Any], Path, torch.device], Teacher]] = {
    "arbitrary-style": _arbitrary_style,
    feed_forward.METHOD: _feed_forward,
}
"""Methods that need files of the data folder."""


CPU = torch.device("cpu")


def teacher(table: Mapping[str, Any], data_root: Path, device: torch.device = CPU) -> Teacher:
    """The teacher of an effect's `teacher` table: `method`, and that method's parameters."""
    parameters = dict(table)
    method = parameters.pop("method", None)
    if method in BUILDERS:
        return BUILDERS[method](parameters, data_root, device)
    if method not in ALGORITHMS:
        raise TeacherError(f"unknown teacher method {method!r}; known are {sorted([*BUILDERS, *ALGORITHMS])}")
    kind = ALGORITHMS[method]
    _check(method, parameters, {field.name: float for field in dataclasses.fields(kind)}, required=set())  # type: ignore[arg-type]
    return AlgorithmTeacher(kind(**{name: float(value) for name, value in parameters.items()}), device)


def _check(method: str, parameters: Mapping[str, Any], known: Mapping[str, type], required: set[str]) -> None:
    if unknown := parameters.keys() - known.keys():
        raise TeacherError(f"teacher {method!r} has no parameters {sorted(unknown)}; it has {sorted(known)}")
    if missing := required - parameters.keys():
        raise TeacherError(f"teacher {method!r} needs {sorted(missing)}")
    for name, value in parameters.items():
        fits = isinstance(value, str) if known[name] is str else isinstance(value, int | float)
        if not fits or isinstance(value, bool):
            raise TeacherError(f"teacher {method!r}: {name} must be a {known[name].__name__}, not {value!r}")
