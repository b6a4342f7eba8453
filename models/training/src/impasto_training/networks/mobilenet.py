"""Starting the encoder from MobileNetV2 (Sandler et al. 2018), trained to tell a thousand things apart.

The file holds the folded weights of a network whose input is -1..1. A student that keeps MobileNetV2's block widths but
expands less takes the hidden channels that weigh most. Where the block widths differ, the encoder starts at random.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto_training.networks.student import InvertedResidual, Student, StyledConv

BLOCK_WIDTHS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96)
"""Output channels of MobileNetV2's blocks 0 to 12."""


def initialise_encoder(student: Student, weights: Path, pictures: Tensor) -> bool:
    """Fills stem and encoder, and sets their normalisation so that they compute what MobileNetV2 does.

    The normalisation is measured on `pictures` `[N, 3, H, W]`, 0..1. Returns whether the widths allowed it.
    """
    blocks = [block for block in student.encoder if isinstance(block, InvertedResidual)]
    widths = tuple(block.project.channels for block in blocks)
    if widths != BLOCK_WIDTHS[: len(widths)]:
        return False
    with np.load(weights) as file:
        source = {key: torch.from_numpy(file[key].astype(np.float32)) for key in file}
    biases: dict[StyledConv, Tensor] = {}

    def fill(layer: StyledConv, weight: Tensor, bias: Tensor) -> None:
        with torch.no_grad():
            layer.conv.weight.copy_(weight)
        biases[layer] = bias.to(layer.conv.weight.device)

    for index, block in enumerate(blocks):
        part = f"block{index}"
        keep = _heaviest(source[f"{part}.depthwise.weight"], source[f"{part}.project.weight"], block.depthwise.channels)
        if block.expand is None:
            # 2x - 1 of an input 0..1, folded into the first convolution.
            stem = source["stem.weight"][keep]
            fill(student.stem, 2.0 * stem, source["stem.bias"][keep] - stem.sum(dim=(1, 2, 3)))
        else:
            fill(block.expand, source[f"{part}.expand.weight"][keep], source[f"{part}.expand.bias"][keep])
        fill(block.depthwise, source[f"{part}.depthwise.weight"][keep], source[f"{part}.depthwise.bias"][keep])
        fill(block.project, source[f"{part}.project.weight"][:, keep], source[f"{part}.project.bias"])

    style = torch.full((pictures.shape[0], student.styles), 1.0 / student.styles, device=pictures.device)
    student.train()
    try:
        for layer, bias in biases.items():
            layer.calibrating = bias
        with torch.no_grad():
            student(pictures, style)
    finally:
        for layer in biases:
            layer.calibrating = None
    return True


def _heaviest(depthwise: Tensor, project: Tensor, count: int) -> Tensor:
    """Indices, ascending, of the `count` hidden channels with the largest product of norms around them."""
    weight = torch.linalg.vector_norm(depthwise.flatten(1), dim=1)
    weight = weight * torch.linalg.vector_norm(project.flatten(1), dim=0)
    heaviest: Tensor = weight.topk(count)[1]
    return heaviest.sort()[0]


FEATURE_BLOCKS = (0, 2, 5, 9)
"""Blocks behind which `MobileNetFeatures` looks: at 1/2, 1/4, 1/8 and 1/16 of the picture."""

_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1)
"""Of blocks 0 to 9."""


class MobileNetFeatures(torch.nn.Module):
    """A fixed MobileNetV2 encoder that looks at pictures `[N, 3, H, W]`, 0..1. Nothing in it is trained."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        with np.load(weights) as file:
            for key in file:
                self.register_buffer(key.replace(".", "_"), torch.from_numpy(file[key].astype(np.float32)))

    def _conv(self, x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        side = weight.shape[2]
        if stride == 2:
            x = torch.nn.functional.pad(x, (0, 1, 0, 1))
        return torch.nn.functional.conv2d(x, weight, bias, stride, side // 2 if stride == 1 else 0, 1, groups)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The outputs of `FEATURE_BLOCKS`."""
        relu6 = torch.nn.functional.relu6
        x = relu6(self._conv(2.0 * image - 1.0, "stem", stride=2))
        found = []
        for block, stride in enumerate(_STRIDES):
            name = f"block{block}"
            hidden = x if block == 0 else relu6(self._conv(x, f"{name}_expand"))
            hidden = relu6(self._conv(hidden, f"{name}_depthwise", stride, groups=hidden.shape[1]))
            y = self._conv(hidden, f"{name}_project")
            x = x + y if stride == 1 and x.shape[1] == y.shape[1] else y
            if block in FEATURE_BLOCKS:
                found.append(x)
        return found
