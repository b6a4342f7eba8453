"""Stained glass: saturated panes with light behind them, held by lead, faces painted in grisaille.

Panes are bands of tone of an abstracted picture, so each is one height of light, as a glazier picks one piece of glass
per tone. Lead of even width lies on the level lines between them and on the content's own outlines: both follow from
what is near a pixel, so panes move with what they are on and a blank wall is one pane. Thin dark lines (FDoG) are
painted on the glass, as the craft does for features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import blend, colour, exposed, gaussian, slope, step, to_rgb
from impasto_training.teachers.flow import along, edges
from impasto_training.teachers.oil import kuwahara

LEVELS = (0.28, 0.45, 0.68)
"""Lightness between one pane and the next."""

PANES = (0.22, 0.40, 0.60, 0.86)
"""Lightness of the glass in each band."""


def level_distance(light: Tensor, levels: tuple[float, ...], least_slope: float) -> Tensor:
    """Pixels to the nearest level line of `light`, to first order: the difference over the slope.

    Where the slope is below `least_slope` per pixel a line would wander with every breath of noise; there it is as
    far as that slope makes it.
    """
    steepness = gaussian(slope(light), 1.5).clamp_min(least_slope)
    return torch.stack([(light - level).abs() / steepness for level in levels]).amin(0)


@dataclass(frozen=True)
class Glass(Algorithm):
    """Paints with light."""

    METHOD: ClassVar[str] = "glass"
    VERSION: ClassVar[int] = 2

    lead: float = 1.25
    """Half the width of the lead, pixels."""
    least_slope: float = 0.008
    """Slope of lightness per pixel below which level lines fade."""
    saturation: float = 2.1
    """Multiplies the chroma."""

    def render(self, scene: Scene) -> Tensor:
        """Panes, glow, grisaille, lead."""
        lab, flow = scene.lab, scene.flow(3.0)
        smooth = along(kuwahara(kuwahara(lab, flow, 6.0), flow, 5.0), flow, 3.0)
        light = gaussian(exposed(smooth[:, :1], 0.5, 0.62, 1.2), 1.6)
        distance = level_distance(light, LEVELS, self.least_slope)
        clear = step(gaussian(slope(light), 2.5), self.least_slope, 0.5 * self.least_slope)
        cames = (1.0 - step(distance, self.lead, 0.7)) * clear
        outline = edges(light, flow, width=1.9, length=6.0, faint=0.020, full=0.050)
        shares = [step(light, level, (2.0 * slope(light)).clamp(0.02, 0.08)) for level in LEVELS]
        tone = PANES[0] + sum(
            share * (high - low) for share, low, high in zip(shares, PANES[:-1], PANES[1:], strict=True)
        )
        painted = lab[:, :1] - smooth[:, :1]
        glow = (distance / 12.0).clamp(0.0, 1.0)
        tone = tone * 0.8 + light * 0.2 + 0.08 * glow - 0.04 + 0.6 * painted
        chroma = smooth[:, 1:]
        strength = chroma.square().sum(1, keepdim=True).sqrt()
        chroma = chroma * (self.saturation * (1.0 + 1.0 * (-strength / 0.05).exp()))
        # Grey glass is not made: shadows are cobalt, lights are straw.
        chroma = chroma + torch.cat([tone * 0.0, (tone - 0.64) * 0.34 * (-(strength / 0.03).square()).exp()], 1)
        features = edges(light + 1.6 * painted, flow, width=0.9, length=4.0, faint=0.010, full=0.030)
        black = colour("#0c0b10").to(lab)
        lead = 1.0 - (1.0 - cames) * (1.0 - outline) * (1.0 - features)
        return to_rgb(blend(torch.cat([tone, chroma], 1), black, lead))
