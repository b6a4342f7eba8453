"""Builds with smaller numbers, tried and measured: float16 weights (what ships), and int8 for CPUs.

The int8 build is quantise-dequantise (QDQ), static, per channel, calibrated on training contents with their own styles.
The style path (table, product, split) and every `Mul` and `Add` of styles stay in float: they cost nothing and hold the
effect. Candidates leave out convolutions in which eight bits hurt most: the first and the last ones.
"""

from __future__ import annotations

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

from impasto_training import metrics
from impasto_training.engine import Engine
from impasto_training.images import FloatPicture
from impasto_training.scores import INT8_GATE_DB, Quantised

CALIBRATION_PICTURES = 24
JUDGED_PICTURES = 4
TURNS = 20


@dataclass(frozen=True)
class Candidate:
    """An int8 build: how many convolutions at the start and at the end stay in float."""

    first: int
    last: int

    @property
    def method(self) -> str:
        """In words."""
        left_out = f", first {self.first} and last {self.last} convolutions in float" if self.first or self.last else ""
        return f"int8 QDQ, per channel{left_out}"


CANDIDATES = (Candidate(0, 0), Candidate(1, 1), Candidate(3, 5))


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Sequence[dict[str, npt.NDArray[np.float32]]]) -> None:
        self._feeds: Iterator[dict[str, npt.NDArray[np.float32]]] = iter(feeds)

    def get_next(self) -> Any:
        return next(self._feeds, None)


def int8(
    model: onnx.ModelProto, candidate: Candidate, feeds: Sequence[dict[str, npt.NDArray[np.float32]]], folder: Path
) -> Path:
    """Writes the candidate's file from a float32 model and returns where it is."""
    source, prepared, target = (folder / f"{name}.onnx" for name in ("float", "prepared", "int8"))
    onnx.save_model(model, str(source))
    quantization.shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    convolutions = [node.name for node in onnx.load_model(str(prepared)).graph.node if node.op_type == "Conv"]
    kept = {*convolutions[: candidate.first], *convolutions[len(convolutions) - candidate.last :]}
    quantization.quantize_static(
        str(prepared),
        str(target),
        _Calibration(feeds),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=sorted(kept),
        calibrate_method=quantization.CalibrationMethod.Percentile,
        extra_options={"CalibPercentile": 99.99, "ActivationSymmetric": False, "WeightSymmetric": True},
    )
    return target


def ratio(one: Engine, other: Engine, width: int, height: int) -> float:
    """Median time of `one` over that of `other`, run in turns so that both see the same machine."""
    times = [[engine.latency_ms(width, height, 1)[0] for engine in (one, other)] for _ in range(TURNS)]
    ours, theirs = zip(*times, strict=True)
    return float(median(ours) / median(theirs))


def worst_psnr(engine: Engine, reference: Engine, pictures: Sequence[FloatPicture], styles: int) -> float:
    """Worst PSNR in dB over pictures and styles."""
    return min(
        metrics.psnr(engine.paint(picture, style), reference.paint(picture, style))
        for picture in pictures
        for style in range(styles)
    )


def trial(
    model: onnx.ModelProto,
    calibration: Sequence[FloatPicture],
    pictures: Sequence[FloatPicture],
    size: tuple[int, int],
    threads: int,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> list[Quantised]:
    """Measures every int8 candidate of a float32 model; `size` is (width, height) of the latency test.

    `calibration` pictures take the styles in turns; `pictures` are held out.
    """
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference_path = folder / "reference.onnx"
        onnx.save_model(model, str(reference_path))
        reference = Engine(reference_path, threads)
        styles = reference.style_count
        feeds = [
            {"image": np.ascontiguousarray(p.transpose(2, 0, 1)[None]), "style": reference.one_hot(index % styles)}
            for index, p in enumerate(calibration)
        ]
        for candidate in candidates:
            path = int8(model, candidate, feeds, folder)
            engine = Engine(path, threads)
            results.append(
                Quantised(
                    method=candidate.method,
                    bytes=path.stat().st_size,
                    psnr=worst_psnr(engine, reference, pictures, styles),
                    latency_ratio=ratio(engine, reference, *size),
                    gate_db=INT8_GATE_DB,
                )
            )
    return results
