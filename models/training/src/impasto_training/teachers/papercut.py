"""Paper cut: sheets of coloured paper laid over each other, each with its shadow on the one below.

Level sets of a smoothed, locally exposed lightness are the sheets (luminance quantisation after Winnemoeller et al.
2006); shadows are blurred, displaced masks of the sheets above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import (
    blend,
    colour,
    exposed,
    gaussian,
    guided,
    moved,
    slope,
    step,
    to_rgb,
)
from impasto_training.teachers.flow import along

SHEETS = ("#1d1147", "#6a1b6f", "#c32f63", "#f2683c", "#fdb44b", "#fff1c9")
"""From the lowest, darkest sheet up."""


@dataclass(frozen=True)
class Papercut(Algorithm):
    """Builds a relief of coloured paper."""

    METHOD: ClassVar[str] = "papercut"
    VERSION: ClassVar[int] = 1

    shadow: float = 0.5
    """Strength of the shadows, 0..1."""

    def render(self, scene: Scene) -> Tensor:
        """From the lowest sheet up."""
        lab, flow = scene.lab, scene.flow(3.0)
        light = exposed(lab[:, :1], 0.6, 0.60, 1.2)
        smooth = gaussian(along(guided(light, 4.0, 0.004), flow, 4.0), 1.3)
        softness = (gaussian(slope(smooth), 1.5) * 1.0).clamp(0.015, 0.08)
        painted = colour(SHEETS[0]).to(lab).expand(lab.shape[0], 3, *lab.shape[-2:])
        for code, edge in zip(SHEETS[1:], (0.32, 0.44, 0.55, 0.67, 0.82), strict=True):
            mask = step(smooth, edge, softness)
            cast = moved(gaussian(mask, 3.0), 4, 3)
            painted = torch.cat([painted[:, :1] * (1.0 - self.shadow * cast), painted[:, 1:]], 1)
            rim = (mask - moved(mask, 1, 1)).clamp_min(0.0)
            sheet = colour(code).to(lab) + torch.cat([rim * 0.10, rim * 0.0, rim * 0.0], 1)
            painted = blend(painted, sheet, mask)
        return to_rgb(painted)
