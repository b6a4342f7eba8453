"""Runs a TFLite network in PyTorch: batched, at any size, on any device.

A reader for the few tables of the file's flatbuffer that matter, and an executor for the operators that convolutional
networks of the kind in the data folder consist of. Weights are dequantised once. Between operators the values stay
floating point; with `rounding` every 8-bit tensor of the original is rounded and clamped as there, which reproduces its
output. Layout is `[N, C, H, W]` throughout.

Field numbers are those of TensorFlow Lite's `schema.fbs`, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TYPES: dict[int, type[np.generic]] = {0: np.float32, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}
INT8 = 9
OPERATORS = {
    0: "ADD",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    14: "LOGISTIC",
    18: "MUL",
    40: "MEAN",
    41: "SUB",
    76: "RSQRT",
    97: "RESIZE_NEAREST_NEIGHBOR",
    99: "SQUARED_DIFFERENCE",
    100: "MIRROR_PAD",
    114: "QUANTIZE",
}
ACTIVATION_FIELD = {"ADD": 0, "MUL": 0, "SUB": 0, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4}
LIMITS: dict[int, tuple[float | None, float | None]] = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""By fused activation: none, ReLU, ReLU of -1..1, ReLU6."""


class TfliteError(ValueError):
    """The file is no TFLite network of the kind that can be run."""


class _Table:
    """A flatbuffer table; fields by number, absent ones as their default."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.vtable = at - int(struct.unpack_from("<i", data, at)[0])
        self.fields = (int(struct.unpack_from("<H", data, self.vtable)[0]) - 4) // 2

    def _field(self, number: int) -> int | None:
        if number >= self.fields:
            return None
        offset = int(struct.unpack_from("<H", self.data, self.vtable + 4 + 2 * number)[0])
        return self.at + offset if offset else None

    def number(self, field: int, kind: str = "i", default: int = 0) -> int:
        """A scalar of `struct` type `kind`."""
        at = self._field(field)
        return default if at is None else int(struct.unpack_from("<" + kind, self.data, at)[0])

    def _follow(self, at: int) -> int:
        return at + int(struct.unpack_from("<I", self.data, at)[0])

    def table(self, field: int) -> _Table | None:
        """A table that the field points at."""
        at = self._field(field)
        return None if at is None else _Table(self.data, self._follow(at))

    def tables(self, field: int) -> list[_Table]:
        """A vector of tables."""
        at = self._field(field)
        if at is None:
            return []
        start = self._follow(at)
        count = int(struct.unpack_from("<I", self.data, start)[0])
        return [_Table(self.data, self._follow(start + 4 + 4 * index)) for index in range(count)]

    def array(self, field: int, kind: type[np.generic]) -> npt.NDArray[np.generic]:
        """A vector of scalars, or a string's bytes."""
        at = self._field(field)
        if at is None:
            return np.zeros(0, kind)
        start = self._follow(at)
        count = int(struct.unpack_from("<I", self.data, start)[0])
        return np.frombuffer(self.data, kind, count, start + 4)


@dataclass(frozen=True)
class _Value:
    """A tensor of the graph."""

    name: str
    shape: list[int]
    int8: bool
    scale: npt.NDArray[np.generic]
    zero: npt.NDArray[np.generic]
    axis: int
    constant: npt.NDArray[np.generic] | None

    def real(self) -> npt.NDArray[np.float32]:
        """The constant, dequantised."""
        if self.constant is None:
            raise TfliteError(f"{self.name} is not a constant")
        values = self.constant.astype(np.float32)
        if self.scale.size == 0:
            return values
        shape = [1] * values.ndim
        if self.scale.size > 1:
            shape[self.axis] = -1
        scaled = (values - self.zero.astype(np.float32).reshape(shape)) * self.scale.astype(np.float32).reshape(shape)
        return np.asarray(scaled, np.float32)


@dataclass(frozen=True)
class _Operator:
    kind: str
    inputs: list[int]
    output: int
    options: _Table | None

    def option(self, field: int, kind: str = "b", default: int = 0) -> int:
        return default if self.options is None else self.options.number(field, kind, default)


def _read(data: bytes) -> tuple[list[_Value], list[_Operator], list[int], list[int]]:
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise TfliteError("not a TFLite file of version 3")
    model = _Table(data, int(struct.unpack_from("<I", data)[0]))
    buffers = model.tables(4)
    (graph,) = model.tables(2)
    values = []
    for tensor in graph.tables(0):
        shape, kind = [int(length) for length in tensor.array(0, np.int32)], tensor.number(1, "b")
        content = buffers[tensor.number(2, "I")].array(0, np.uint8)
        rules = tensor.table(4)
        if kind not in TYPES:
            raise TfliteError(f"tensors of type {kind} are not supported")
        values.append(
            _Value(
                name=tensor.array(3, np.uint8).tobytes().decode(),
                shape=shape,
                int8=kind == INT8,
                scale=np.zeros(0, np.float32) if rules is None else rules.array(2, np.float32),
                zero=np.zeros(0, np.int64) if rules is None else rules.array(3, np.int64),
                axis=0 if rules is None else rules.number(6),
                constant=np.frombuffer(content.tobytes(), TYPES[kind]).reshape(shape) if content.size else None,
            )
        )
    codes = [max(code.number(0, "b"), code.number(3)) for code in model.tables(1)]
    operators = []
    for entry in graph.tables(3):
        code = codes[entry.number(0, "I")]
        if code not in OPERATORS:
            raise TfliteError(f"operator {code} is not supported")
        (output,) = (int(index) for index in entry.array(2, np.int32))
        inputs = [int(index) for index in entry.array(1, np.int32)]
        operators.append(_Operator(OPERATORS[code], inputs, output, entry.table(4)))
    ends = [[int(index) for index in graph.array(field, np.int32)] for field in (1, 2)]
    return values, operators, ends[0], ends[1]


class TfliteNetwork(nn.Module):
    """The network of a file. Call it with one tensor per input, in the order of `inputs`."""

    def __init__(self, path: Path, rounding: bool = False) -> None:
        super().__init__()
        self._values, self._operators, self._inputs, self._outputs = _read(path.read_bytes())
        self._rounding = rounding
        self.inputs = [self._values[index].name for index in self._inputs]
        for operator in self._operators:
            for place, index in enumerate(operator.inputs):
                if index >= 0 and self._values[index].constant is not None:
                    arranged = self._arranged(operator.kind, place, self._values[index])
                    if operator.kind == "RESIZE_NEAREST_NEIGHBOR":
                        # The file names a size; what is meant at other sizes is the factor.
                        arranged = arranged // np.asarray(self._values[operator.inputs[0]].shape[1:3])
                    constant = torch.from_numpy(np.array(arranged))
                    self.register_buffer(f"constant_{index}", constant, persistent=False)

    @staticmethod
    def _arranged(kind: str, place: int, value: _Value) -> npt.NDArray[np.generic]:
        if place == 1 and kind in ("MEAN", "MIRROR_PAD", "RESIZE_NEAREST_NEIGHBOR"):
            return np.asarray(value.constant)
        real = value.real()
        if kind == "CONV_2D" and place == 1:
            return real.transpose(0, 3, 1, 2)
        if kind == "DEPTHWISE_CONV_2D" and place == 1:
            return real.transpose(3, 0, 1, 2)
        return real.transpose(0, 3, 1, 2) if real.ndim == 4 else real

    def forward(self, *inputs: Tensor) -> Tensor:
        """The network's output, batched as its inputs are."""
        alive: dict[int, Tensor] = dict(zip(self._inputs, inputs, strict=True))
        last = {index: at for at, operator in enumerate(self._operators) for index in operator.inputs}
        for at, operator in enumerate(self._operators):
            arguments = [alive[i] if i in alive else getattr(self, f"constant_{i}") for i in operator.inputs if i >= 0]
            result = _RUN[operator.kind](operator, arguments)
            if operator.kind in ACTIVATION_FIELD:
                low, high = LIMITS[operator.option(ACTIVATION_FIELD[operator.kind])]
                if low is not None or high is not None:
                    result = result.clamp(low, high)
            alive[operator.output] = self._rounded(result, self._values[operator.output])
            for index in operator.inputs:
                if last[index] == at and index not in self._outputs:
                    alive.pop(index, None)
        return alive[self._outputs[0]]

    def _rounded(self, x: Tensor, value: _Value) -> Tensor:
        if not self._rounding or not value.int8:
            return x
        scale, zero = float(value.scale[0]), int(value.zero[0])
        return ((x / scale).round().add(zero).clamp(-128, 127) - zero) * scale


def _same_padding(x: Tensor, kernel: Tensor, stride: tuple[int, int]) -> Tensor:
    """TensorFlow's SAME: the odd pixel goes to the right and the bottom."""
    pads: list[int] = []
    for axis in (3, 2):
        length, size, step = x.shape[axis], kernel.shape[axis], stride[axis - 2]
        total = max((-(-length // step) - 1) * step + size - length, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


def _convolution(operator: _Operator, inputs: list[Tensor]) -> Tensor:
    x, kernel, *bias = inputs
    stride = (operator.option(2, "i", 1), operator.option(1, "i", 1))
    if operator.option(0) == 0:
        x = _same_padding(x, kernel, stride)
    groups = kernel.shape[0] if operator.kind == "DEPTHWISE_CONV_2D" else 1
    return F.conv2d(x, kernel, bias[0] if bias else None, stride, groups=groups)


def _mirror_pad(_: _Operator, inputs: list[Tensor]) -> Tensor:
    x, pads = inputs
    (top, bottom), (left, right) = pads[1].tolist(), pads[2].tolist()
    return F.pad(x, (left, right, top, bottom), mode="reflect")


def _mean(_: _Operator, inputs: list[Tensor]) -> Tensor:
    axes = [(0, 2, 3, 1)[int(axis)] for axis in inputs[1].flatten().tolist()]
    return inputs[0].mean(axes, keepdim=True)


def _resize(_: _Operator, inputs: list[Tensor]) -> Tensor:
    x, (down, right) = inputs[0], inputs[1].tolist()
    return x.repeat_interleave(down, 2).repeat_interleave(right, 3) if (down, right) != (1, 1) else x


_RUN: dict[str, Callable[[_Operator, list[Tensor]], Tensor]] = {
    "ADD": lambda _, x: x[0] + x[1],
    "SUB": lambda _, x: x[0] - x[1],
    "MUL": lambda _, x: x[0] * x[1],
    "SQUARED_DIFFERENCE": lambda _, x: (x[0] - x[1]).square(),
    "RSQRT": lambda _, x: x[0].rsqrt(),
    "LOGISTIC": lambda _, x: x[0].sigmoid(),
    "QUANTIZE": lambda _, x: x[0],
    "DEQUANTIZE": lambda _, x: x[0],
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MIRROR_PAD": _mirror_pad,
    "MEAN": _mean,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
}
