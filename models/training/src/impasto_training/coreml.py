"""From a student to one Core ML package, for Apple's hardware, by `coremltools` (which the user installs).

Inputs and output are the ONNX file's: `image` `[1, 3, H, W]`, `style` `[1, K]`, `canvas` `[1, C, H/2, W/2]` where the
student takes one, and `painted` `[1, 3, H, W]`. Weights and arithmetic are float16. Core ML runs on macOS alone;
elsewhere the package is written and its structure checked, no more.
"""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto_training.export import folded
from impasto_training.networks.student import IMAGE_CHANNELS, STRIDE, Activation, Student, StyledConv
from impasto_training.recipe import RecipeError

EXPECTED = ("conv", "upsample_bilinear", "pixel_shuffle", "sigmoid", "concat")
"""Operations that every package holds."""


class _Plain(nn.Module):
    """A layer with its normalisation folded into constant weights, as the exported files have it."""

    weight: Tensor
    offset: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, layer: StyledConv) -> None:
        super().__init__()
        weight, bias, scale, shift = (torch.from_numpy(array) for array in folded(layer))
        self.layer = layer
        self.register_buffer("weight", weight)
        self.register_buffer("offset", bias)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        layer = self.layer
        before, after = layer.padding
        if before != after:
            x = F.pad(x, (before, after, before, after))
            before = 0
        x = F.conv2d(x, self.weight, self.offset, layer.conv.stride, before, 1, layer.conv.groups)
        if layer.styled:
            x = x * (style @ self.scale)[:, :, None, None] + (style @ self.shift)[:, :, None, None]
        return F.relu6(x) if layer.activation is Activation.RELU6 else x


def plain(student: Student) -> Student:
    """A copy of the student whose layers are plain convolutions, each followed by the style's scale and shift."""
    made = copy.deepcopy(student).eval()
    for name, module in list(made.named_modules()):
        if isinstance(module, StyledConv):
            owner, _, part = name.rpartition(".")
            setattr(made.get_submodule(owner), part, _Plain(module))
    return made


def save(student: Student, width: int, height: int, path: Path) -> Counter[str]:
    """Writes the package for pictures of that size and returns how many operations of each kind it holds.

    Raises `RecipeError` where `coremltools` is not installed, and `ValueError` for a package that is not as expected.
    """
    try:
        import coremltools
    except ImportError as error:
        raise RecipeError("Core ML needs another package: pip install coremltools") from error
    if width % STRIDE or height % STRIDE:
        raise ValueError(f"{width} x {height} are no multiples of {STRIDE}")
    examples = [torch.rand(1, IMAGE_CHANNELS, height, width), torch.ones(1, student.styles) / student.styles]
    names = ["image", "style"]
    if student.architecture.canvas:
        examples.append(torch.zeros(1, student.architecture.canvas, height // 2, width // 2))
        names.append("canvas")
    with torch.no_grad():
        traced = torch.jit.trace(plain(student), tuple(examples))  # type: ignore[no-untyped-call]
    package = coremltools.convert(
        traced,
        inputs=[
            coremltools.TensorType(name, tuple(example.shape)) for name, example in zip(names, examples, strict=True)
        ],
        outputs=[coremltools.TensorType("painted")],
        convert_to="mlprogram",
        compute_precision=coremltools.precision.FLOAT16,
        minimum_deployment_target=coremltools.target.iOS16,
    )
    package.save(str(path))
    return _checked(package.get_spec(), names)


def _checked(specification: Any, names: list[str]) -> Counter[str]:
    blocks = specification.mlProgram.functions["main"].block_specializations
    kinds = Counter(operation.type for block in blocks.values() for operation in block.operations)
    found = [value.name for value in specification.description.input]
    if sorted(found) != sorted(names) or [value.name for value in specification.description.output] != ["painted"]:
        raise ValueError(f"the package takes {found}")
    if missing := [kind for kind in EXPECTED if not kinds[kind]]:
        raise ValueError(f"the package lacks {missing}; it holds {dict(kinds)}")
    return kinds
