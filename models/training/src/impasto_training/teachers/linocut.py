"""Linocut: two inks on paper, with gouge marks along the form.

Tones are thresholds (XDoG, Winnemoeller et al. 2012) of a locally exposed lightness; near a threshold the gouge leaves
marks that follow the structure tensor's flow (line integrals of the content's own texture, see `flow.grain`), so they
belong to the content and move with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import blend, colour, exposed, guided, step, to_rgb
from impasto_training.teachers.flow import along, edges, grain, lines


@dataclass(frozen=True)
class Linocut(Algorithm):
    """Prints from carved blocks."""

    METHOD: ClassVar[str] = "linocut"
    VERSION: ClassVar[int] = 1

    gouge: float = 0.10
    """Depth of the gouge marks, units of lightness."""

    def render(self, scene: Scene) -> Tensor:
        """Paper, warm block, key block."""
        lab, flow = scene.lab, scene.flow(4.0)
        light = exposed(lab[:, :1], 0.6, 0.60, 1.25)
        smooth = along(guided(light, 3.0, 0.004), flow, 3.0)
        marks = grain(lab[:, :1], flow, fine=1.2, broad=3.4, length=9.0) * self.gouge
        key = lines(smooth + marks, flow, width=1.1, length=3.0, sharpness=8.0, threshold=0.42, tau=1.0, hardness=14.0)
        line = edges(lab[:, :1], flow, width=1.2, length=4.0, faint=0.008, full=0.024)
        key = 1.0 - (1.0 - key) * (1.0 - line)
        middle = 1.0 - step(along(smooth + marks * 0.7, flow, 2.0), 0.62, 0.03)
        paper, warm, night = colour("#f4e9d3").to(lab), colour("#e2562f").to(lab), colour("#14233f").to(lab)
        return to_rgb(blend(blend(paper, warm, middle), night, key))
