"""Brush and ink: solid blacks, a grey wash, lines on warm paper (XDoG: Winnemoeller, Kyprianidis and Olsen 2012)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import blend, colour, exposed, gaussian, guided, step, to_rgb
from impasto_training.teachers.flow import along, edges, lines


@dataclass(frozen=True)
class Ink(Algorithm):
    """Draws with a brush."""

    METHOD: ClassVar[str] = "ink"
    VERSION: ClassVar[int] = 1

    sharpness: float = 12.0
    """XDoG's p: how much edges count against tone."""
    black: float = 0.44
    """Exposed lightness below which ink is solid."""
    wash: float = 0.55
    """Strength of the grey wash in the half-tones, 0..1."""

    def render(self, scene: Scene) -> Tensor:
        """Wash under solid ink."""
        lab, flow = scene.lab, scene.flow(3.0)
        light = exposed(lab[:, :1], 0.55, 0.64, 1.2)
        solid = lines(
            along(light, flow, 1.5),
            flow,
            width=1.1,
            length=4.0,
            sharpness=self.sharpness,
            threshold=self.black,
            tau=1.0,
            hardness=14.0,
        )
        line = edges(lab[:, :1], flow, width=1.0, length=4.0, faint=0.006, full=0.024)
        tone = along(guided(light, 4.0, 0.004), flow, 3.0)
        half = step(tone, 0.60, 0.02)
        pale = step(tone, 0.71, 0.02)
        grey = (1.0 - half) * 0.7 + (1.0 - pale) * 0.3
        # Wash pools where it ends.
        rim = (gaussian(grey, 2.5) - grey).abs() * 0.5
        paper, tint, night = colour("#f6efe0"), colour("#8c8a8d"), colour("#141218")
        painted = blend(paper.to(lab), tint.to(lab), ((grey + rim * grey) * self.wash).clamp(0.0, 1.0))
        return to_rgb(blend(painted, night.to(lab), 1.0 - (1.0 - solid) * (1.0 - line)))
