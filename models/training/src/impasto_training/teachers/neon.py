"""Neon: glowing tubes of the picture's own hues along its lines, in the dark.

Flow-based differences of Gaussians (Kang et al. 2007) are the tubes; their hue is the content's, driven to full
chroma; blurred copies are the bloom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import bilateral, exposed, gaussian, to_rgb
from impasto_training.teachers.flow import along, edges


@dataclass(frozen=True)
class Neon(Algorithm):
    """Draws with light tubes."""

    METHOD: ClassVar[str] = "neon"
    VERSION: ClassVar[int] = 1

    bloom: float = 0.9
    """Strength of the halo."""

    def render(self, scene: Scene) -> Tensor:
        """A dim night picture, bloom, tubes."""
        lab, flow = scene.lab, scene.flow(3.0)
        light = along(exposed(lab[:, :1], 0.55, 0.6, 1.6), flow, 2.0)
        tube = edges(light, flow, width=1.5, length=6.0, faint=0.004, full=0.020)
        soft = gaussian(bilateral(lab, 4, 3.0, 0.08), 2.0)
        # From violet in the shadows over magenta and orange to cyan in the lights, moved by the content's own hue.
        hue = torch.atan2(soft[:, 2:], soft[:, 1:2] + 0.03)
        angle = 4.9 + (gaussian(light, 3.0) - 0.30) * 5.5 + 0.6 * hue
        chroma = torch.cat([angle.cos(), angle.sin()], 1)
        glow = gaussian(tube, 2.5) * 0.8 + gaussian(tube, 8.0) * 0.9
        dusk = torch.cat([0.09 + 0.17 * light, chroma * 0.03 * light], 1)
        dusk = dusk + dusk.new_tensor([0.0, 0.015, -0.055]).view(1, 3, 1, 1)
        bright = dusk + torch.cat([glow * 0.36 * self.bloom, chroma * 0.28 * glow * self.bloom], 1)
        core = torch.cat([0.70 + 0.20 * gaussian(tube, 1.0) ** 2, chroma * 0.22], 1)
        return to_rgb(bright + (core - bright) * tube)
