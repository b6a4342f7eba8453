"""From a trained student to one ONNX file, written node by node so that the engines' contract holds by construction.

```
image  float32 [1, 3, height, width]  RGB 0..1, height and width multiples of 16
style  float32 [1, K]                 one-hot picks a style, a mixture blends
canvas float32 [1, C, height/2, width/2] about -1..1, only where the student takes one (`canvas.py`)
painted float32 [1, 3, height, width] RGB 0..1

style ─MatMul(style_table [K, T])─Split─Reshape [1, C, 1, 1]──┐ scale, bias
x ──Conv (batch norm folded)──Mul──Add──(Clip | Sigmoid)──▶
```

Weights are stored as float16 and cast to float32 on loading; the arithmetic is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from impasto_training.networks.student import (
    ARCHITECTURES,
    IMAGE_CHANNELS,
    Activation,
    InvertedResidual,
    SeparableBlock,
    Student,
    StyledConv,
)

OPSET = 17
IR_VERSION = 8
ALLOWED_OPERATORS = frozenset(
    {
        *("Conv", "Relu", "Clip", "Sigmoid", "Add", "Mul", "Sub", "Concat", "Resize", "DepthToSpace"),
        *("MatMul", "Split", "Slice", "Reshape", "Cast"),
    }
)
SMALL = 16
"""Float initialisers with fewer elements stay float32: a cast would cost more bytes than it saves."""

Array = npt.NDArray[np.float32]


def folded(layer: StyledConv) -> tuple[Array, Array, Array, Array]:
    """The layer in evaluation mode as `(weight, bias, style scale, style bias)`.

    `weight` `[C', C, k, k]` and `bias` `[C']` hold the normalisation; the style tables are `[K, C']`. An unstyled
    layer's scale and bias are folded as well, and its tables are empty `[0, C']`.
    """
    norm = layer.norm
    assert norm.running_mean is not None and norm.running_var is not None
    with torch.no_grad():
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        offset = -norm.running_mean.double() * gain
        scale, bias = layer.scale.double(), layer.bias.double()
        if not layer.styled:
            gain, offset = gain * scale[0], offset * scale[0] + bias[0]
            scale, bias = scale[:0], bias[:0]
        weight = layer.conv.weight.double() * gain[:, None, None, None]
        arrays = [tensor.cpu().numpy().astype(np.float32) for tensor in (weight, offset, scale, bias)]
    return arrays[0], arrays[1], arrays[2], arrays[3]


class _Graph:
    """Collects nodes and initialisers; every method returns the name of the value that it made."""

    def __init__(self, half_weights: bool) -> None:
        self.half_weights = half_weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.style_columns: list[Array] = []
        self.style_nodes: list[onnx.NodeProto] = []

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def integers(self, name: str, values: Sequence[int]) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    def floats(self, name: str, values: Array, into: list[onnx.NodeProto] | None = None) -> str:
        """A constant; as float16 with a cast unless it is tiny."""
        if values.size < SMALL or not self.half_weights:
            self.initializers.append(numpy_helper.from_array(values.astype(np.float32), name))
            return name
        half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"{name} does not fit float16 (largest magnitude {np.abs(values).max():g})")
        self.initializers.append(numpy_helper.from_array(half, f"{name}.f16"))
        cast = helper.make_node("Cast", [f"{name}.f16"], [name], name=name, to=TensorProto.FLOAT)
        (self.nodes if into is None else into).append(cast)
        return name

    def styled(self, name: str, table: Array) -> str:
        """The style's row of `table` `[K, C]`, as `[1, C, 1, 1]`. Its columns join the one style table."""
        self.style_columns.append(table)
        shape = self.integers(f"{name}.shape", [1, table.shape[1], 1, 1])
        self.style_nodes.append(helper.make_node("Reshape", [f"{name}.flat", shape], [name], name=name))
        return name

    def conv(self, x: str, layer: StyledConv) -> str:
        weight, bias, scale, style_bias = folded(layer)
        name = layer.name
        before, after = layer.padding
        y = self.node(
            "Conv",
            [x, self.floats(f"{name}.weight", weight), self.floats(f"{name}.bias", bias)],
            f"{name}.conv",
            kernel_shape=list(weight.shape[2:]),
            strides=list(layer.conv.stride),
            pads=[before, before, after, after],
            group=layer.conv.groups,
        )
        if layer.styled:
            y = self.node("Mul", [y, self.styled(f"{name}.style_scale", scale)], f"{name}.scaled")
            y = self.node("Add", [y, self.styled(f"{name}.style_bias", style_bias)], f"{name}.shifted")
        match layer.activation:
            case Activation.RELU6:
                return self.node("Clip", [y, "relu6.min", "relu6.max"], f"{name}.out")
            case Activation.SIGMOID:
                return self.node("Sigmoid", [y], f"{name}.out")
            case Activation.NONE:
                return y

    def inverted_residual(self, x: str, block: InvertedResidual, canvas: bool = False) -> str:
        y = x if block.expand is None else self.conv(x, block.expand)
        if canvas:
            y = self.node("Concat", [y, "canvas"], f"{block.depthwise.name}.joined", axis=1)
        y = self.conv(self.conv(y, block.depthwise), block.project)
        return self.node("Add", [x, y], f"{block.project.name}.sum") if block.residual else y

    def separable(self, x: str, block: SeparableBlock) -> str:
        y = self.conv(self.conv(x, block.depthwise), block.pointwise)
        return self.node("Add", [x, y], f"{block.pointwise.name}.sum") if block.residual else y

    def style_path(self) -> list[onnx.NodeProto]:
        """Table, product, split, reshapes: to be put before all other nodes."""
        nodes: list[onnx.NodeProto] = []
        table = self.floats("style_table", np.concatenate(self.style_columns, axis=1), nodes)
        sizes = self.integers("style_sizes", [column.shape[1] for column in self.style_columns])
        parts = [node.input[0] for node in self.style_nodes]
        nodes.append(helper.make_node("MatMul", ["style", table], ["style_row"], name="style_row"))
        nodes.append(helper.make_node("Split", ["style_row", sizes], parts, name="style_split", axis=1))
        return nodes + self.style_nodes


def to_onnx(student: Student, style_names: Sequence[str], half_weights: bool = True) -> onnx.ModelProto:
    """The student in evaluation mode as a checked ONNX model; `half_weights` stores float16."""
    graph = _Graph(half_weights)
    graph.initializers += [
        numpy_helper.from_array(np.asarray(0.0, np.float32), "relu6.min"),
        numpy_helper.from_array(np.asarray(6.0, np.float32), "relu6.max"),
        numpy_helper.from_array(np.asarray([1.0, 1.0, 2.0, 2.0], np.float32), "double"),
    ]
    x = graph.conv("image", student.stem)
    canvas = student.architecture.canvas
    skips: list[str] = []
    for index, (block, settings) in enumerate(zip(student.encoder, student.architecture.encoder, strict=True)):
        assert isinstance(block, InvertedResidual)
        if settings.stride == 2:
            skips.append(x)
        x = graph.inverted_residual(x, block, canvas=bool(canvas) and index == 0)
    for level, stage in enumerate(student.decoder):
        up = graph.node(
            "Resize", [x, "", "double"], f"decoder.{level}.up",
            mode="linear", coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
        joined = [up, skips.pop()]
        if canvas and not skips:
            joined.append("canvas")
        x = graph.node("Concat", joined, f"decoder.{level}.joined", axis=1)
        assert isinstance(stage, nn.ModuleList)
        for block in stage:
            assert isinstance(block, SeparableBlock)
            x = graph.separable(x, block)
    logits = graph.node("DepthToSpace", [graph.conv(x, student.head)], "head.shuffled", blocksize=2, mode="CRD")
    smooth = graph.floats("smooth.weight", student.get_buffer("smooth").cpu().numpy())
    smoothed = graph.node(
        "Conv", [logits, smooth], "smooth.out",
        kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], group=IMAGE_CHANNELS,
    )  # fmt: skip
    graph.node("Sigmoid", [smoothed], "painted")

    def picture(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, IMAGE_CHANNELS, "height", "width"])

    inputs = [picture("image"), helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, student.styles])]
    if canvas:
        half: list[str | int | None] = [1, canvas, "half_height", "half_width"]
        inputs.append(helper.make_tensor_value_info("canvas", TensorProto.FLOAT, half))
    model = helper.make_model(
        helper.make_graph(
            graph.style_path() + graph.nodes,
            "impasto student",
            inputs,
            [picture("painted")],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="impasto_training",
    )
    model.ir_version = IR_VERSION
    network = next((name for name, known in ARCHITECTURES.items() if known == student.architecture), "")
    helper.set_model_props(model, {"styles": ",".join(style_names), "network": network})
    check(model)
    return model


def check(model: onnx.ModelProto) -> None:
    """Raises unless the model is valid and keeps to the engines' contract."""
    onnx.checker.check_model(model, full_check=True)
    if foreign := {node.op_type for node in model.graph.node} - ALLOWED_OPERATORS:
        raise ValueError(f"operators that the engines lack: {sorted(foreign)}")


def multiply_adds(model: onnx.ModelProto, width: int, height: int) -> int:
    """Multiply-accumulates of all convolutions and products for one picture of that size."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in [*fixed.graph.input, *fixed.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                sizes = {"height": height, "width": width, "half_height": height // 2, "half_width": width // 2}
                dim.dim_value = sizes[dim.dim_param]
    fixed = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True)
    shapes = {tensor.name: list(tensor.dims) for tensor in fixed.graph.initializer}
    for value in [*fixed.graph.input, *fixed.graph.value_info, *fixed.graph.output]:
        shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    total = 0
    for node in fixed.graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(shapes[node.output[0]]) * np.prod(shapes[node.input[1]][1:]))
        elif node.op_type == "MatMul":
            total += int(np.prod(shapes[node.output[0]]) * shapes[node.input[1]][0])
    return total


def canvas_channels(model: onnx.ModelProto) -> int:
    """Channels of the canvas that the model takes; 0 for none."""
    shapes = {value.name: value.type.tensor_type.shape for value in model.graph.input}
    return int(shapes["canvas"].dim[1].dim_value) if "canvas" in shapes else 0


def parameters(model: onnx.ModelProto) -> int:
    """Stored numbers that came from training."""
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer if tensor.data_type in kinds)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Writes the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(model.SerializeToString())
    part.replace(path)


def load(path: Path) -> onnx.ModelProto:
    """Reads an exported file."""
    return onnx.load(path)
