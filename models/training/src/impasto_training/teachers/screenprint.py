"""Screen print: a handful of flat inks chosen by tone, with a keyline, in the manner of a campaign poster.

Bands of a locally exposed lightness, each in its own ink (after the luminance quantisation of Winnemoeller et al.
2006), and flow-based difference-of-Gaussians lines as key block.
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
    even_bands,
    exposed,
    guided,
    to_rgb,
)
from impasto_training.teachers.flow import along, edges

INKS = ("#10203f", "#1b7f86", "#e4503e", "#f6b53d", "#fdf3dc")
"""Dark to light."""


@dataclass(frozen=True)
class Screenprint(Algorithm):
    """Prints flat inks."""

    METHOD: ClassVar[str] = "screenprint"
    VERSION: ClassVar[int] = 2

    line: float = 0.9
    """Strength of the keyline, 0..1."""

    def render(self, scene: Scene) -> Tensor:
        """Five inks and the keyline."""
        lab, flow = scene.lab, scene.flow(3.0)
        light = exposed(lab[:, :1], 0.6, 0.60, 1.25)
        flat = along(guided(light, 3.0, 0.003), flow, 3.0)
        shares = even_bands(flat, (0.36, 0.50, 0.62, 0.74))
        inks = torch.cat([colour(code) for code in INKS], 0).to(lab)[:, :, 0, 0]
        painted = torch.einsum("nkhw,kc->nchw", shares, inks)
        line = edges(lab[:, :1], flow, width=1.1, length=4.0, faint=0.010, full=0.030)
        return to_rgb(blend(painted, inks[0].view(1, 3, 1, 1), line * self.line))
