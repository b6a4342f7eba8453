"""From an exported file back to a student: whoever has the pack can go on from it, without the run that made it.

Normalisation was folded into the weights at export, so every layer comes back with statistics that do nothing (mean 0,
variance 1) and the folded bias in their place. Weights are the file's float16 ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from impasto_training.networks.student import ARCHITECTURES, Student
from impasto_training.recipe import RecipeError

NETWORK_PROPERTY = "network"
"""Model property of an exported file that names its architecture."""

TABLE = "style_table"


def arrays(model: onnx.ModelProto) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """All constants by the name under which the network uses them, as float32."""
    return {
        tensor.name.removesuffix(".f16"): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }


def student(path: Path) -> Student:
    """The network of an exported file, in evaluation mode, all its styles included.

    Raises `RecipeError` when the file is not one of this package's networks.
    """
    model = onnx.load(path)
    network = {entry.key: entry.value for entry in model.metadata_props}.get(NETWORK_PROPERTY, "")
    if network not in ARCHITECTURES:
        raise RecipeError(f"{path} does not say which network it is (known are {', '.join(ARCHITECTURES)})")
    constants = arrays(model)
    if TABLE not in constants:
        raise RecipeError(f"{path} has no style table")
    table = torch.from_numpy(constants[TABLE].copy())
    restored = Student(ARCHITECTURES[network], table.shape[0])
    column = 0
    with torch.no_grad():
        for layer in restored.convolutions():
            weight, bias = (torch.from_numpy(constants[f"{layer.name}.{part}"].copy()) for part in ("weight", "bias"))
            assert layer.norm.running_mean is not None and layer.norm.running_var is not None
            layer.conv.weight.copy_(weight)
            layer.norm.running_mean.copy_(-bias)
            layer.norm.running_var.fill_(1.0 - layer.norm.eps)
            if layer.styled:
                for parameter in (layer.scale, layer.bias):
                    parameter.copy_(table[:, column : column + layer.channels])
                    column += layer.channels
    if column != table.shape[1]:
        raise RecipeError(f"{path}: the style table has {table.shape[1]} columns, the network {column}")
    return restored.eval()
