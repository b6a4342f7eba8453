"""Files for other runtimes, checked where those run here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from impasto_training import coreml, litert, metrics
from impasto_training.engine import Canvas, Engine
from impasto_training.images import FloatPicture
from impasto_training.networks.student import Student
from impasto_training.recipe import VariantSettings
from impasto_training.scores import HALF_GATE_DB, Ported

FORMATS = ("litert", "coreml")
ROUNDS = 7


def write(format: str, student: Student, variant: VariantSettings, onnx_path: Path, folder: Path) -> Ported:
    """Writes a variant at its nominal size into `folder`; a LiteRT file is run and compared.

    Raises `ValueError` where the file does not paint as the student does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if format == "coreml":
        path = folder / f"{variant.id}.mlpackage"
        coreml.save(student, variant.width, variant.height, path)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return Ported(format, size, None, None, None)
    path = folder / f"{variant.id}.tflite"
    path.write_bytes(litert.to_litert(student, variant.width, variant.height))
    image, canvas = _example(student, variant)
    worst = min(_apart(student, path, image, canvas, style) for style in range(student.styles))
    if worst < HALF_GATE_DB:
        raise ValueError(f"{path} does not paint as the student does: {worst:.1f} dB")
    vector = np.eye(student.styles, dtype=np.float32)[0]
    loaded = litert.Loaded(path)
    engine = Engine(onnx_path, threads=1)
    ours, theirs = in_turns(lambda: loaded.paint(image, vector, canvas), lambda: engine.paint(image, 0, canvas))
    return Ported(format, path.stat().st_size, worst, ours, theirs)


def _example(student: Student, variant: VariantSettings) -> tuple[FloatPicture, Canvas | None]:
    generator = torch.Generator().manual_seed(5)
    picture = F.avg_pool2d(torch.rand(1, 3, variant.height, variant.width, generator=generator), 5, 1, 2)
    channels = student.architecture.canvas
    noise = torch.rand(channels, variant.height // 2, variant.width // 2, generator=generator) * 2.0 - 1.0
    return picture[0].permute(1, 2, 0).numpy(), noise.numpy() if channels else None


@torch.no_grad()
def _apart(student: Student, path: Path, image: FloatPicture, canvas: Canvas | None, style: int) -> float:
    vector = F.one_hot(torch.tensor([style]), student.styles).float()
    given = None if canvas is None else torch.from_numpy(canvas)[None]
    expected = student(torch.from_numpy(image).permute(2, 0, 1)[None], vector, given)[0].permute(1, 2, 0).numpy()
    return metrics.psnr(litert.paint(path, image, vector[0].numpy(), canvas), expected)


def in_turns(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of both, after a warm-up."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for run, found in zip((one, other), times, strict=True):
            start = time.perf_counter()
            run()
            if turn:
                found.append(1e3 * (time.perf_counter() - start))
    return median(times[0]), median(times[1])
