"""Cel drawing: flat tones with soft steps, vivid colours, ink outlines.

After Winnemoeller, Olsen and Gooch 2006 (real-time video abstraction): bilateral smoothing, luminance quantised with a
softness that follows the gradient, and flow-based difference-of-Gaussians lines (Kang et al. 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import bilateral, exposed, gaussian, slope, step, to_oklab, to_rgb
from impasto_training.teachers.flow import along, edges


@dataclass(frozen=True)
class Toon(Algorithm):
    """Paints like an animation cel."""

    METHOD: ClassVar[str] = "toon"
    VERSION: ClassVar[int] = 1

    levels: float = 6.0
    """Steps between black and white."""
    saturation: float = 1.6
    """Multiplies the chroma."""
    line: float = 1.0
    """Strength of the ink, 0..1."""
    width: float = 1.25
    """Inner Gaussian of the lines, pixels."""

    def render(self, scene: Scene) -> Tensor:
        """Flat colours first, ink over them."""
        lab, flow = scene.lab, scene.flow(3.0)
        flat = lab
        for _ in range(3):
            flat = bilateral(flat, 5, 3.5, 0.055)
        flat = along(flat, flow, 2.0)
        light = exposed(flat[:, :1], 0.45, 0.66, 1.15)
        scaled = light * self.levels
        floor = torch.floor(scaled)
        softness = (gaussian(slope(light), 1.0) * self.levels * 0.8).clamp(0.06, 0.5)
        stepped = (floor + step(scaled - floor, 0.5, softness)) / self.levels
        # Most of the way to flat: a rest of modelling keeps faces round.
        stepped = stepped * 0.8 + light * 0.2
        chroma = flat[:, 1:]
        strength = chroma.square().sum(1, keepdim=True).sqrt()
        chroma = chroma * (self.saturation * (1.0 + 0.25 * (-strength / 0.06).exp()))
        ink = edges(lab[:, :1], flow, width=self.width, length=4.0, faint=0.006, full=0.022) * self.line
        black = to_oklab(lab.new_tensor([0.07, 0.05, 0.10]).view(1, 3, 1, 1))
        painted = torch.cat([stepped, chroma], 1)
        return to_rgb(painted + (black - painted) * ink)
