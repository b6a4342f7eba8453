"""Oil: anisotropic Kuwahara brush work with relief, in vivid colours.

Kyprianidis, Kang and Doellner 2009 (image and video abstraction by anisotropic Kuwahara filtering): around each pixel
an ellipse that follows the structure tensor is cut into eight sectors, and the calmest sectors give the colour. The
discs are sampled at fixed places of the unit circle, which are then stretched and turned per pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import exposed, to_rgb
from impasto_training.teachers.flow import Flow, along, flow_of, grain

SECTORS = 8
RINGS = ((0.28, 6), (0.58, 10), (0.88, 14))


def _places() -> list[tuple[float, float, list[float]]]:
    """Sample places in the unit disc with their weight in each sector."""
    places = [(0.0, 0.0, [1.0 / SECTORS] * SECTORS)]
    for radius, count in RINGS:
        for index in range(count):
            angle = 2.0 * math.pi * (index + 0.5) / count
            shares = []
            for sector in range(SECTORS):
                apart = (angle - 2.0 * math.pi * sector / SECTORS + math.pi) % (2.0 * math.pi) - math.pi
                shares.append(math.exp(-(apart**2) / (2.0 * 0.42**2)))
            total = sum(shares)
            fade = math.exp(-(radius**2) / 0.9)
            places.append((radius * math.cos(angle), radius * math.sin(angle), [s / total * fade for s in shares]))
    return places


def kuwahara(x: Tensor, flow: Flow, radius: float, crispness: float = 8.0, stretch: float = 1.0) -> Tensor:
    """The filter on `[N, C, H, W]`; `radius` in pixels, `crispness` the exponent that favours calm sectors.

    `stretch` 0 keeps circles; 1 makes ellipses of up to 2:1 along edges.
    """
    tangent, normal, unit = flow.tangent(), flow.normal(), flow.to_grid()
    count, channels, height, width = x.shape
    major = (1.0 + stretch * flow.anisotropy)[:, 0, :, :, None]
    minor = 1.0 / (1.0 + stretch * flow.anisotropy)[:, 0, :, :, None] ** 0.5
    tangent, normal = tangent * major * unit * radius, normal * minor * unit * radius
    mean = x.new_zeros(count, SECTORS, channels, height, width)
    square = x.new_zeros(count, SECTORS, 1, height, width)
    weight = [0.0] * SECTORS
    for across_, up, shares in _places():
        near = F.grid_sample(x, flow.grid + tangent * across_ + normal * up, padding_mode="border", align_corners=False)
        power = near.square().sum(1, keepdim=True)
        for sector, share in enumerate(shares):
            if share > 0.01:
                mean[:, sector] += near * share
                square[:, sector] += power * share
                weight[sector] += share
    total = x.new_tensor(weight).view(1, SECTORS, 1, 1, 1)
    mean, square = mean / total, square / total
    variance = (square - mean.square().sum(2, keepdim=True)).clamp_min(0.0)
    calmness = 1.0 / (1.0 + (variance.sqrt() * 60.0) ** crispness)
    return (mean * calmness).sum(1) / (calmness.sum(1) + 1e-12)


@dataclass(frozen=True)
class Oil(Algorithm):
    """Paints with a loaded brush."""

    METHOD: ClassVar[str] = "oil"
    VERSION: ClassVar[int] = 1

    radius: float = 6.5
    """Of the brush, pixels."""
    saturation: float = 1.5
    """Multiplies the chroma."""
    relief: float = 1.0
    """How strongly the strokes stand out of the canvas."""

    def render(self, scene: Scene) -> Tensor:
        """Two layers of strokes, then bristles and the light on their ridges."""
        lab, flow = scene.lab, scene.flow(4.0)
        painted = kuwahara(lab, flow, self.radius)
        painted = kuwahara(painted, flow_of(painted, 3.0), self.radius * 0.7)
        painted = along(painted, flow_of(painted, 4.0), 3.0)
        light = exposed(painted[:, :1], 0.3, 0.62, 1.5)
        bristles = grain(lab[:, :1], flow, fine=1.0, broad=3.0, length=9.0)
        height = F.pad(bristles, (1, 1, 1, 1), mode="replicate")
        lit = height[..., 1:-1, 1:-1] - height[..., :-2, :-2]
        light = light + self.relief * (0.055 * bristles + 0.10 * lit) * (0.4 + light)
        # Warm ridges, cool furrows: colour is broken as a painter breaks it.
        broken = torch.cat([bristles * 0.006, bristles * 0.016], 1) * self.relief
        return to_rgb(torch.cat([light, painted[:, 1:] * self.saturation + broken], 1))
