"""Magenta's arbitrary stylisation in PyTorch, from the weights of the two TFLite files.

In floating point it is calmer than the 8-bit original, whose rounding turns faint noise into strokes, and it runs in
batches, at any size that is a multiple of 4, and on a GPU. `rounding` reproduces the original instead.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto_training.images import Picture, resize, to_float
from impasto_training.teachers.tflite import TfliteNetwork

PREDICT_SIDE = 256
SHIFTS = ((0, 0), (1, 2), (2, 1), (3, 3))
"""Their offsets form a Latin square modulo 4."""

MARGIN = max(max(shift) for shift in SHIFTS)
LOOK_NOISE = 2.0 / 255.0
"""Standard deviation of the noise that all looks but the first are painted under."""

SEED = 1
BATCH = 16
"""Pictures that go through the network at once."""


class PortedStyle:
    """Paints `[N, 3, H, W]` pictures, 0..1, in the manner of any painting."""

    def __init__(self, folder: Path, device: torch.device, rounding: bool = False) -> None:
        self._predict = TfliteNetwork(folder / "style_predict.tflite", rounding).to(device)
        self._transfer = TfliteNetwork(folder / "style_transfer.tflite", rounding).to(device)
        self.device = device

    def style_code(self, painting: Picture) -> Tensor:
        """The 100 numbers `[1, 100, 1, 1]` that stand for a painting."""
        picture = to_float(resize(painting, PREDICT_SIDE, PREDICT_SIDE)).transpose(2, 0, 1)
        with torch.inference_mode():
            code: Tensor = self._predict(torch.from_numpy(np.ascontiguousarray(picture)).unsqueeze(0).to(self.device))
        return code

    def paint_once(self, contents: Tensor, code: Tensor) -> Tensor:
        """One run of the network; height and width are multiples of 4."""
        by_name = {True: contents, False: code.expand(contents.shape[0], -1, -1, -1)}
        painted: Tensor = self._transfer(*(by_name["content" in name] for name in self._transfer.inputs))
        return painted

    def paint(self, contents: Tensor, code: Tensor, side: int | None = None, looks: int = 1) -> Tensor:
        """The painting of `contents`, averaged over `SHIFTS` and over `looks` at it under fresh noise.

        With `side`, the network sees the pictures resampled to that height and width; the result has their own size.
        """
        with torch.inference_mode():
            contents = contents.to(self.device)
            seen = contents if side is None else _resampled(contents, side, side)
            noise = torch.Generator().manual_seed(SEED)
            total = torch.zeros_like(seen)
            for look in range(looks):
                disturbed = seen
                if look > 0:
                    disturbed = seen + torch.randn(seen.shape[1:], generator=noise).to(self.device) * LOOK_NOISE
                total += self._shifted(disturbed.clamp(0.0, 1.0), code)
            painted = total / looks
            return (painted if side is None else _resampled(painted, *contents.shape[-2:])).clamp(0.0, 1.0)

    def _shifted(self, contents: Tensor, code: Tensor) -> Tensor:
        """The mean over `SHIFTS`, all of them in one batch."""
        count, _, height, width = contents.shape
        padded = F.pad(contents, (MARGIN,) * 4, mode="reflect")
        looks = torch.cat([padded[..., down : down + height, right : right + width] for down, right in SHIFTS])
        painted = torch.cat([self.paint_once(part, code) for part in torch.split(looks, BATCH)])
        total = torch.zeros_like(padded)
        weight = torch.zeros_like(padded[:1, :1])
        for (down, right), part in zip(SHIFTS, torch.split(painted, count), strict=True):
            total[..., down : down + height, right : right + width] += part
            weight[..., down : down + height, right : right + width] += 1.0
        inner = slice(MARGIN, -MARGIN)
        return total[..., inner, inner] / weight[..., inner, inner]


def _resampled(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, (height, width), mode="bicubic", antialias=True, align_corners=False).clamp(0.0, 1.0)
