"""From a student to one LiteRT (TensorFlow Lite) file, for phones: written operator by operator, as `export` does ONNX.

```
image   float32 [1, H, W, 3]       RGB 0..1, the size fixed when the file is written
style   float32 [1, K]             one-hot picks a style, a mixture blends
canvas  float32 [1, H/2, W/2, C]   only where the student takes one (`canvas.py`)
painted float32 [1, H, W, 3]       RGB 0..1
```

Weights are float16, which the runtime's delegates use as they are and its plain kernels turn into float32 on loading.
Only operators that XNNPACK and the GPU delegate know are used. The file's `SAME` padding at a stride of 2 is the
student's for even sizes: below and to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from impasto_training.export import SMALL, folded
from impasto_training.networks.student import (
    IMAGE_CHANNELS,
    STRIDE,
    Activation,
    InvertedResidual,
    SeparableBlock,
    Student,
    StyledConv,
)

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
BLOCK = 2
"""Of the last step from depth to space."""

Array = npt.NDArray[np.float32]
Builtin = schema.BuiltinOperator
Kind = schema.TensorType

VERSIONS = {Builtin.RESIZE_BILINEAR: 3, Builtin.DEQUANTIZE: 3}
"""Operators whose first version lacks what is used of them."""

ACTIVATIONS = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
}


def _by_block(channels: int) -> npt.NDArray[np.int64]:
    """Places of a channel-major layout `[C, 2, 2]`, as the student has it, in the block-major one of LiteRT."""
    return np.arange(channels).reshape(channels // BLOCK**2, BLOCK**2).T.reshape(-1)


class _Graph:
    """Collects tensors and operators; every method returns the index of the tensor that it made."""

    def __init__(self) -> None:
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.columns: list[Array] = []
        self.styled: list[int] = []

    def tensor(self, name: str, shape: Sequence[int], kind: int = Kind.FLOAT32, values: bytes | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), kind, 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values, np.uint8)
            self.buffers.append(buffer)
            made.buffer = len(self.buffers) - 1
        self.tensors.append(made)
        return len(self.tensors) - 1

    def integers(self, name: str, values: Sequence[int]) -> int:
        return self.tensor(name, [len(values)], Kind.INT32, np.asarray(values, "<i4").tobytes())

    def floats(self, name: str, values: Array) -> int:
        """A constant; as float16 with a step that turns it back, unless it is tiny."""
        if values.size < SMALL:
            return self.tensor(name, values.shape, values=values.astype("<f4").tobytes())
        half = values.astype("<f2")
        if not np.isfinite(half).all():
            raise ValueError(f"{name} does not fit float16 (largest magnitude {np.abs(values).max():g})")
        stored = self.tensor(f"{name}.f16", values.shape, Kind.FLOAT16, half.tobytes())
        options = schema.DequantizeOptionsT()
        return self.operator(Builtin.DEQUANTIZE, [stored], name, values.shape, "DequantizeOptions", options)

    def operator(
        self, builtin: int, inputs: Sequence[int], name: str, shape: Sequence[int], kind: str, options: Any
    ) -> int:
        output = self.tensor(name, shape)
        self._add(builtin, inputs, [output], kind, options)
        return output

    def _add(self, builtin: int, inputs: Sequence[int], outputs: Sequence[int], kind: str, options: Any) -> None:
        if builtin not in self.codes:
            self.codes.append(builtin)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self.codes.index(builtin), list(inputs), list(outputs)
        made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        self.operators.append(made)

    def shape(self, x: int) -> list[int]:
        return list(self.tensors[x].shape)

    def style(self, name: str, table: Array) -> int:
        """The style's row of `table` `[K, C]`, `[1, 1, 1, C]`. Its columns join the one style table."""
        self.columns.append(table)
        self.styled.append(self.tensor(name, [1, 1, 1, table.shape[1]]))
        return self.styled[-1]

    def binary(self, builtin: int, x: int, y: int, name: str, activation: Activation = Activation.NONE) -> int:
        word = "Add" if builtin == Builtin.ADD else "Mul"
        options = getattr(schema, f"{word}OptionsT")()
        options.fusedActivationFunction = ACTIVATIONS[activation]
        return self.operator(builtin, [x, y], name, self.shape(x), f"{word}Options", options)

    def weighted(
        self, x: int, weight: Array, bias: Array, name: str, stride: int, depthwise: bool, activation: Activation
    ) -> int:
        """A convolution; `weight` as torch has it, `[C', C, k, k]`."""
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideW, options.strideH = schema.Padding.SAME, stride, stride
        options.dilationWFactor = options.dilationHFactor = 1
        options.fusedActivationFunction = ACTIVATIONS[activation]
        if depthwise:
            options.depthMultiplier = 1
            kernel = weight.transpose(1, 2, 3, 0)
        else:
            kernel = weight.transpose(0, 2, 3, 1)
        _, height, width, _ = self.shape(x)
        inputs = [x, self.floats(f"{name}.weight", np.ascontiguousarray(kernel)), self.floats(f"{name}.bias", bias)]
        builtin, kind = (
            (Builtin.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions") if depthwise else (Builtin.CONV_2D, "Conv2DOptions")
        )
        shape = [1, height // stride, width // stride, weight.shape[0]]
        return self.operator(builtin, inputs, f"{name}.conv", shape, kind, options)

    def conv(self, x: int, layer: StyledConv, by_block: bool = False) -> int:
        """A layer of the student; `by_block` puts its channels where `DEPTH_TO_SPACE` wants them."""
        weight, bias, scale, shift = folded(layer)
        if by_block:
            order = _by_block(len(bias))
            weight, bias, scale, shift = weight[order], bias[order], scale[:, order], shift[:, order]
        name, stride = layer.name, layer.conv.stride[0]
        plain = Activation.NONE if layer.styled else layer.activation
        y = self.weighted(x, weight, bias, name, stride, layer.conv.groups > 1, plain)
        if layer.styled:
            y = self.binary(Builtin.MUL, y, self.style(f"{name}.style_scale", scale), f"{name}.scaled")
            added = self.style(f"{name}.style_bias", shift)
            y = self.binary(Builtin.ADD, y, added, f"{name}.out", layer.activation)
        return y

    def inverted_residual(self, x: int, block: InvertedResidual, canvas: int | None) -> int:
        y = x if block.expand is None else self.conv(x, block.expand)
        if canvas is not None:
            y = self.joined([y, canvas], f"{block.depthwise.name}.joined")
        y = self.conv(self.conv(y, block.depthwise), block.project)
        return self.binary(Builtin.ADD, x, y, f"{block.project.name}.sum") if block.residual else y

    def separable(self, x: int, block: SeparableBlock) -> int:
        y = self.conv(self.conv(x, block.depthwise), block.pointwise)
        return self.binary(Builtin.ADD, x, y, f"{block.pointwise.name}.sum") if block.residual else y

    def joined(self, parts: Sequence[int], name: str) -> int:
        options = schema.ConcatenationOptionsT()
        options.axis = 3
        shape = [*self.shape(parts[0])[:3], sum(self.shape(part)[3] for part in parts)]
        return self.operator(Builtin.CONCATENATION, parts, name, shape, "ConcatenationOptions", options)

    def doubled(self, x: int, name: str) -> int:
        options = schema.ResizeBilinearOptionsT()
        options.halfPixelCenters = True
        _, height, width, channels = self.shape(x)
        size = self.integers(f"{name}.size", [2 * height, 2 * width])
        shape = [1, 2 * height, 2 * width, channels]
        return self.operator(Builtin.RESIZE_BILINEAR, [x, size], name, shape, "ResizeBilinearOptions", options)

    def style_path(self, style: int) -> None:
        """From the style vector to every layer's row; runs before everything else."""
        rest, self.operators = self.operators, []
        table = np.concatenate(self.columns, axis=1)
        row = self.operator(
            Builtin.FULLY_CONNECTED,
            # The runtime takes a missing bias as -1.
            [style, self.floats("style_table", np.ascontiguousarray(table.T)), -1],
            "style_row",
            [1, table.shape[1]],
            "FullyConnectedOptions",
            schema.FullyConnectedOptionsT(),
        )
        widths = [column.shape[1] for column in self.columns]
        parts = [self.tensor(f"style.{place}", [1, width]) for place, width in enumerate(widths)]
        options = schema.SplitVOptionsT()
        options.numSplits = len(parts)
        inputs = [row, self.integers("style_sizes", widths), self.tensor("style_axis", [], Kind.INT32, b"\1\0\0\0")]
        self._add(Builtin.SPLIT_V, inputs, parts, "SplitVOptions", options)
        for part, wanted, width in zip(parts, self.styled, widths, strict=True):
            reshaped = schema.ReshapeOptionsT()
            reshaped.newShape = [1, 1, 1, width]
            shape = self.integers(f"style.{wanted}.shape", [1, 1, 1, width])
            self._add(Builtin.RESHAPE, [part, shape], [wanted], "ReshapeOptions", reshaped)
        self.operators += rest

    def model(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.name = b"impasto student"
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        made = schema.ModelT()
        made.version, made.description = SCHEMA_VERSION, b"impasto_training"
        made.buffers, made.subgraphs, made.operatorCodes = self.buffers, [graph], []
        for builtin in self.codes:
            code = schema.OperatorCodeT()
            # Readers of before 2020 know the first field alone.
            code.deprecatedBuiltinCode, code.builtinCode = min(builtin, 127), builtin
            code.version = VERSIONS.get(builtin, 1)
            made.operatorCodes.append(code)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(made.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())


def to_litert(student: Student, width: int, height: int) -> bytes:
    """The student in evaluation mode as a LiteRT file for pictures of that size, multiples of `STRIDE`."""
    if width % STRIDE or height % STRIDE:
        raise ValueError(f"{width} x {height} are no multiples of {STRIDE}")
    graph = _Graph()
    image = graph.tensor("image", [1, height, width, IMAGE_CHANNELS])
    style = graph.tensor("style", [1, student.styles])
    channels = student.architecture.canvas
    canvas = graph.tensor("canvas", [1, height // 2, width // 2, channels]) if channels else None
    x = graph.conv(image, student.stem)
    skips: list[int] = []
    for index, (block, settings) in enumerate(zip(student.encoder, student.architecture.encoder, strict=True)):
        assert isinstance(block, InvertedResidual)
        if settings.stride == 2:
            skips.append(x)
        x = graph.inverted_residual(x, block, canvas if index == 0 else None)
    for level, stage in enumerate(student.decoder):
        joined = [graph.doubled(x, f"decoder.{level}.up"), skips.pop()]
        if canvas is not None and not skips:
            joined.append(canvas)
        x = graph.joined(joined, f"decoder.{level}.joined")
        assert isinstance(stage, nn.ModuleList)
        for block in stage:
            assert isinstance(block, SeparableBlock)
            x = graph.separable(x, block)
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = BLOCK
    logits = graph.operator(
        Builtin.DEPTH_TO_SPACE,
        [graph.conv(x, student.head, by_block=True)],
        "head.shuffled",
        [1, height, width, IMAGE_CHANNELS],
        "DepthToSpaceOptions",
        options,
    )
    smooth = student.get_buffer("smooth").cpu().numpy()
    none = np.zeros(IMAGE_CHANNELS, np.float32)
    smoothed = graph.weighted(logits, smooth, none, "smooth", 1, True, Activation.NONE)
    painted = graph.tensor("painted", [1, height, width, IMAGE_CHANNELS])
    graph._add(Builtin.LOGISTIC, [smoothed], [painted], "NONE", None)
    graph.style_path(style)
    return graph.model([image, style] if canvas is None else [image, style, canvas], [painted])


class Loaded:
    """A file, loaded by LiteRT."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._inputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_input_details()}
        (output,) = self._interpreter.get_output_details()
        self._output: int = output["index"]

    def paint(self, image: Array, style: Array, canvas: Array | None = None) -> Array:
        """`[H, W, 3]`, `[K]` and `[C, H/2, W/2]` to the painting `[H, W, 3]`."""
        given = {"image": image, "style": style}
        if canvas is not None:
            given["canvas"] = canvas.transpose(1, 2, 0)
        for name, value in given.items():
            self._interpreter.set_tensor(self._inputs[name], np.ascontiguousarray(value[None], np.float32))
        self._interpreter.invoke()
        painted: Array = self._interpreter.get_tensor(self._output)[0]
        return painted


def paint(path: Path, image: Array, style: Array, canvas: Array | None = None) -> Array:
    """One run of a file, see `Loaded.paint`."""
    return Loaded(path).paint(image, style, canvas)
