"""Builds with smaller numbers, tried and measured: float16 weights are what ships; this tries int8 for CPUs.

An int8 build is quantise-dequantise (QDQ), static, per channel, calibrated on training contents. Two kinds are tried:

- *all styles*: one file as it ships. The style path (table, product, split) and every `Mul` and `Add` of a style stay
  in float, which costs a way back to float behind most convolutions;
- *one style*: a file per effect with the style folded into the weights, so that convolution and bound run in integers.

Candidates differ in how many convolutions at the start and at the end stay in float, where eight bits show most.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime import quantization
from torch import nn

from impasto_training import export, metrics
from impasto_training.engine import Engine
from impasto_training.images import FloatPicture
from impasto_training.networks.student import Student
from impasto_training.scores import INT8_GATE_DB, Quantised

CALIBRATION_PICTURES = 24
JUDGED_PICTURES = 4
JUDGED_STYLES = 4
TURNS = 20

Feed = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Candidate:
    """An int8 build: of one style or of all, and how many convolutions at the start and at the end stay in float."""

    one_style: bool
    first: int
    last: int

    @property
    def method(self) -> str:
        """In words."""
        kind = "one style" if self.one_style else "all styles"
        left_out = f", first {self.first} and last {self.last} convolutions in float" if self.first or self.last else ""
        return f"int8, {kind}{left_out}"


CANDIDATES = (Candidate(False, 0, 0), Candidate(False, 1, 3), Candidate(True, 0, 0), Candidate(True, 1, 3))


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Any:
        return next(self._feeds, None)


def fixed(student: Student, style: int) -> Student:
    """A copy that paints one style alone: it is folded into every convolution but the head, which keeps its row."""
    one = copy.deepcopy(student)
    one.styles = 1
    for layer in one.convolutions():
        if layer.styled:
            layer.scale = nn.Parameter(layer.scale[style : style + 1].detach().clone())
            layer.bias = nn.Parameter(layer.bias[style : style + 1].detach().clone())
            layer.styled = layer is one.head
    return one


def int8(model: onnx.ModelProto, candidate: Candidate, feeds: Sequence[Feed], folder: Path) -> Path:
    """Writes the int8 build of a float32 model into a folder and returns where it is."""
    source, prepared, target = (folder / f"{name}.onnx" for name in ("float", "prepared", "int8"))
    onnx.save_model(model, str(source))
    quantization.shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    convolutions = [node.name for node in onnx.load_model(str(prepared)).graph.node if node.op_type == "Conv"]
    kept = {*convolutions[: candidate.first], *convolutions[len(convolutions) - candidate.last :]}
    # The tool warns on the root logger that it prefers models which it has prepared itself; it has.
    logging.disable(logging.WARNING)
    try:
        quantization.quantize_static(
            str(prepared),
            str(target),
            _Calibration(feeds),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Clip", "Add", "Concat", "Resize"] if candidate.one_style else ["Conv"],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=sorted(kept),
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True, "CalibMovingAverage": True},
        )
    finally:
        logging.disable(logging.NOTSET)
    return target


def ratio(one: Engine, other: Engine, width: int, height: int) -> float:
    """Median time of `one` over that of `other`, run in turns so that both see the same machine."""
    times = [[engine.latency_ms(width, height, 1)[0] for engine in (one, other)] for _ in range(TURNS)]
    ours, theirs = zip(*times, strict=True)
    return float(median(ours) / median(theirs))


@dataclass(frozen=True)
class _Build:
    """One float32 model to be quantised, with the styles of the student that it paints, in its own order."""

    model: onnx.ModelProto
    styles: list[int]


def _builds(student: Student, names: Sequence[str], candidate: Candidate) -> list[_Build]:
    every = list(range(student.styles))
    if not candidate.one_style:
        return [_Build(export.to_onnx(student, names, half_weights=False), every)]
    picked = sorted({int(place) for place in np.linspace(0, len(every) - 1, JUDGED_STYLES).round()})
    return [_Build(export.to_onnx(fixed(student, s), [names[s]], half_weights=False), [s]) for s in picked]


def trial(
    student: Student,
    names: Sequence[str],
    calibration: Sequence[FloatPicture],
    pictures: Sequence[FloatPicture],
    size: tuple[int, int],
    threads: int,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> list[Quantised]:
    """Measures every candidate against the student in float32; `size` is (width, height) of the latency test.

    `calibration` pictures take the styles in turns; `pictures` are held out. Builds of one style are judged on
    `JUDGED_STYLES` of them, and timed against float32 builds of one style.
    """
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference_path, float_path = folder / "reference.onnx", folder / "float32.onnx"
        onnx.save_model(export.to_onnx(student, names, half_weights=False), str(reference_path))
        reference = Engine(reference_path, threads)
        for candidate in candidates:
            worst = float("inf")
            times: list[float] = []
            sizes: list[int] = []
            for build in _builds(student, names, candidate):
                onnx.save_model(build.model, str(float_path))
                plain = Engine(float_path, threads)
                feeds = [
                    {
                        "image": np.ascontiguousarray(picture.transpose(2, 0, 1)[None]),
                        "style": plain.one_hot(index % len(build.styles)),
                    }
                    for index, picture in enumerate(calibration)
                ]
                path = int8(build.model, candidate, feeds, folder)
                engine = Engine(path, threads)
                sizes.append(path.stat().st_size)
                for index, style in enumerate(build.styles):
                    for picture in pictures:
                        painted = engine.paint(picture, index)
                        worst = min(worst, metrics.psnr(painted, reference.paint(picture, style)))
                if not times:
                    times.append(ratio(engine, plain, *size))
            results.append(Quantised(candidate.method, max(sizes), worst, times[0], INT8_GATE_DB))
    return results
