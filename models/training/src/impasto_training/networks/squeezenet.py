"""SqueezeNet 1.1 features and the perceptual distance LPIPS v0.1 on them (Zhang et al. 2018).

The backbone is not torchvision's (its input is BGR 0..255 minus a mean), so the distance is called *LPIPS-sq* and is
comparable only with itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BGR_MEAN = (104.0, 117.0, 123.0)
FIRES_AFTER_POOL = ((3, 4), (6, 7), (9, 10, 11, 12))
"""Indices of the fire modules behind each of the three poolings, numbered as in torchvision's `features`."""

TAPS = (0, 4, 7, 9, 10, 11, 12)
"""The modules whose outputs LPIPS looks at."""


class LpipsSqueeze(nn.Module):
    """Perceptual distance of two batches `[N, 3, H, W]`, 0..1. Nothing in it is trained."""

    def __init__(self, backbone: Path, heads: Path) -> None:
        super().__init__()
        with np.load(backbone) as file:
            for key in file:
                if key.startswith("features."):
                    self.register_buffer(_slot(key), torch.from_numpy(file[key].astype(np.float32)))
        linear = torch.load(heads, map_location="cpu", weights_only=True)
        for index in range(len(TAPS)):
            self.register_buffer(f"head{index}", linear[f"lin{index}.model.1.weight"])
        self.register_buffer("mean", torch.tensor(BGR_MEAN).view(1, 3, 1, 1))

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = self.get_buffer(_slot(f"{name}.weight")), self.get_buffer(_slot(f"{name}.bias"))
        return F.relu(F.conv2d(x, weight, bias, stride, padding))

    def features(self, image: Tensor) -> list[Tensor]:
        """Unit-length features at the seven taps."""
        return [tap / (tap.square().sum(dim=1, keepdim=True).sqrt() + 1e-8) for tap in self.taps(image)]

    def taps(self, image: Tensor) -> list[Tensor]:
        """The features as they are."""
        x = self._conv(image.flip(1) * 255.0 - self.get_buffer("mean"), "features.0", stride=2)
        taps = [x]
        for fires in FIRES_AFTER_POOL:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            for index in fires:
                squeezed = self._conv(x, f"features.{index}.squeeze")
                x = torch.cat(
                    [
                        self._conv(squeezed, f"features.{index}.expand1x1"),
                        self._conv(squeezed, f"features.{index}.expand3x3", padding=1),
                    ],
                    dim=1,
                )
                if index in TAPS:
                    taps.append(x)
        return taps

    def between(self, ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
        """Distances `[N]` of two answers of `features`."""
        total = ours[0].new_zeros(ours[0].shape[0])
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            difference = F.conv2d((mine - other).square(), self.get_buffer(f"head{index}"))
            total = total + difference.mean(dim=(1, 2, 3))
        return total

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances `[N]`; 0 for equal pictures."""
        with torch.no_grad():
            theirs = self.features(b)
        return self.between(self.features(a), theirs)


def _slot(key: str) -> str:
    """Buffer names may not hold dots."""
    return key.replace(".", "_")
