"""Watercolour: pale washes with dark rims, white paper in the lights, colours that bleed.

After Bousseau et al. 2006 (interactive watercolour rendering): the picture is abstracted to washes, pigment density is
modulated by where washes end (edge darkening) and by turbulence, here of the content itself, and density D darkens a
colour C to C - (C - C^2)(D - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import blend, exposed, gaussian, slope, step, to_rgb
from impasto_training.teachers.flow import edges
from impasto_training.teachers.oil import kuwahara


@dataclass(frozen=True)
class Watercolour(Algorithm):
    """Paints in washes."""

    METHOD: ClassVar[str] = "watercolour"
    VERSION: ClassVar[int] = 1

    radius: float = 7.0
    """Size of the washes' details, pixels."""
    rim: float = 1.0
    """Strength of the dark rims."""
    saturation: float = 2.0
    """Multiplies the chroma."""

    def render(self, scene: Scene) -> Tensor:
        """Wash, bleed, rims, paper."""
        lab, flow = scene.lab, scene.flow(4.0)
        wash = kuwahara(kuwahara(lab, flow, self.radius, stretch=0.3), flow, self.radius * 0.8, stretch=0.3)
        light = exposed(wash[:, :1], 0.55, 0.74, 1.3)
        levels = 4.0
        scaled = light * levels
        floor = torch.floor(scaled)
        softness = (gaussian(slope(light), 1.5) * levels).clamp(0.10, 0.5)
        stepped = (floor + step(scaled - floor, 0.5, softness)) / levels
        tone = stepped * 0.7 + light * 0.3
        chroma = blend(wash[:, 1:], gaussian(wash[:, 1:], 5.0), torch.full_like(tone, 0.45)) * self.saturation
        # The paper shows through in the lights; shadows are glazed with ultramarine, never grey.
        paper = step(tone, 0.82, 0.10)
        shade = (1.0 - tone).clamp(0.0, 1.0)
        cool = torch.cat([shade * -0.008, shade * -0.065], 1)
        colourful = torch.cat([0.25 + 0.75 * tone, chroma * (1.0 - 0.7 * paper) + cool], 1)
        # Pigment gathers where a wash ends, and thins out inside.
        dry = torch.cat([tone, chroma], 1)
        rim = (dry - gaussian(dry, 2.5)).square().sum(1, keepdim=True).sqrt()
        dark = (gaussian(tone, 2.5) - tone).clamp_min(0.0)
        turbulence = (gaussian(lab[:, :1], 3.0) - gaussian(lab[:, :1], 9.0)) * 2.0
        density = 1.0 + self.rim * (5.0 * dark + 2.2 * rim) - turbulence
        line = edges(lab[:, :1], flow, width=1.0, length=4.0, faint=0.008, full=0.05)
        painted = to_rgb(colourful)
        density = density + line * 0.9
        return (painted - (painted - painted.square()) * (density - 1.0)).clamp(0.0, 1.0)
