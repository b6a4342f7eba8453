"""Coloured pencil: strokes that follow the form, paper between them, graphite outlines.

Strokes are line integrals (Cabral and Leedom 1993) along the structure tensor's flow of the picture's own fine detail,
so they belong to the content and move with it: hair and cloth are hatched, a blank wall stays blank paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import bilateral, blend, colour, exposed, gaussian, to_rgb
from impasto_training.teachers.flow import along, edges, grain


@dataclass(frozen=True)
class Pencil(Algorithm):
    """Draws with coloured pencils."""

    METHOD: ClassVar[str] = "pencil"
    VERSION: ClassVar[int] = 1

    strokes: float = 0.9
    """Contrast of the strokes."""
    saturation: float = 2.0
    """Multiplies the chroma of the pencils."""
    pigment: float = 0.85
    """How much of the paper colour covers, 0..1."""

    def render(self, scene: Scene) -> Tensor:
        """Pigment on paper, then lines."""
        lab, flow = scene.lab, scene.flow(4.0)
        light = exposed(lab[:, :1], 0.55, 0.70, 1.0)
        smooth = bilateral(bilateral(lab, 4, 3.0, 0.06), 4, 3.0, 0.06)
        hatch = grain(lab[:, :1], flow)
        tone = (1.0 - along(light, flow, 2.0)).clamp(0.0, 1.0)
        cover = (tone * 1.8 - 0.22).clamp(0.0, 1.0)
        # Strokes bite where pigment is neither absent nor solid.
        bite = (cover * (1.0 - cover) * 4.0).clamp(0.0, 1.0)
        cover = (cover - hatch * self.strokes * 0.45 * (0.25 + 0.75 * bite)).clamp(0.0, 1.0)
        chroma = along(smooth[:, 1:], flow, 4.0) * self.saturation
        pigment = torch.cat([0.30 + 0.35 * gaussian(light, 3.0), chroma * 1.15], 1)
        paper = colour("#fbf7ee").to(lab)
        painted = blend(paper, pigment, cover * self.pigment)
        # A little hue stays on the paper even in lights.
        painted = torch.cat([painted[:, :1], painted[:, 1:] * 0.8 + chroma * 0.2], 1)
        line = edges(lab[:, :1], flow, width=0.9, length=5.0, faint=0.004, full=0.034)
        graphite = torch.cat([torch.full_like(tone, 0.24), chroma * 0.25], 1)
        return to_rgb(blend(painted, graphite, line * 0.9))
