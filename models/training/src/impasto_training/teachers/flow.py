"""The direction in which a picture runs, and filters along and across it.

The smoothed structure tensor gives the edge tangent at each pixel (Kyprianidis and Kang 2011). Line integrals along it
join broken edges and draw strokes; differences of Gaussians across it, summed along it, are ink lines (FDoG: Kang et
al. 2007; XDoG: Winnemoeller et al. 2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto_training.teachers.filters import gaussian


@dataclass(frozen=True)
class Flow:
    """Edge tangents of a batch of pictures."""

    double: Tensor
    """`[N, 2, H, W]` cosine and sine of twice the tangent's angle, which can be interpolated: it has no sign."""

    anisotropy: Tensor
    """`[N, 1, H, W]`: 0 no direction, 1 a clear edge."""

    grid: Tensor
    """`[1, H, W, 2]` each pixel's place for `grid_sample`, -1..1."""

    _paths: dict[tuple[float, float], list[Tensor]] = field(default_factory=dict, repr=False)

    def tangent(self) -> Tensor:
        """Unit tangents `[N, H, W, 2]` as (x, y), in pixels; their sign is arbitrary."""
        return _direction(self.double)

    def normal(self) -> Tensor:
        """Unit vectors across the tangents, `[N, H, W, 2]`."""
        tangent = self.tangent()
        return torch.stack([-tangent[..., 1], tangent[..., 0]], -1)

    def path(self, sign: float, stride: float, steps: int) -> list[Tensor]:
        """Places `[N, H, W, 2]` after 1..`steps` strides from each pixel, forwards or backwards along the flow."""
        places = self._paths.setdefault((sign, stride), [])
        if len(places) < steps:
            places.clear()
            unit = self.to_grid() * stride
            heading = self.tangent() * sign
            at = self.grid + heading * unit
            places.append(at)
            while len(places) < steps:
                new = _direction(_sample(self.double, at))
                agree = (new * heading).sum(-1, keepdim=True)
                heading = torch.where(agree < 0.0, -new, new)
                at = at + heading * unit
                places.append(at)
        return places[:steps]

    def to_grid(self) -> Tensor:
        """What turns pixels into units of `grid`."""
        height, width = self.double.shape[-2:]
        return self.grid.new_tensor([2.0 / width, 2.0 / height])


def _direction(double: Tensor) -> Tensor:
    angle = torch.atan2(double[:, 1], double[:, 0]) / 2.0
    return torch.stack([angle.cos(), angle.sin()], -1)


def _sample(x: Tensor, at: Tensor) -> Tensor:
    return F.grid_sample(x, at, mode="bilinear", padding_mode="border", align_corners=False)


def flow_of(picture: Tensor, sigma: float = 2.5) -> Flow:
    """The flow of a picture of any number of channels; `sigma` is how far neighbours agree on a direction, pixels."""
    count, channels, height, width = picture.shape
    kernel = picture.new_tensor([[3.0, 0.0, -3.0], [10.0, 0.0, -10.0], [3.0, 0.0, -3.0]]) / 32.0
    kernels = torch.stack([-kernel, -kernel.t()]).unsqueeze(1)
    padded = F.pad(picture.reshape(count * channels, 1, height, width), (1, 1, 1, 1), mode="replicate")
    gradient = F.conv2d(padded, kernels).view(count, channels, 2, height, width)
    gx, gy = gradient[:, :, 0], gradient[:, :, 1]
    tensor = gaussian(torch.stack([(gx * gx).sum(1), (gx * gy).sum(1), (gy * gy).sum(1)], 1), sigma)
    xx, xy, yy = tensor[:, 0], tensor[:, 1], tensor[:, 2]
    # The gradient's doubled angle is (xx - yy, 2 xy); a quarter turn on is the tangent's.
    along = torch.stack([yy - xx, -2.0 * xy], 1)
    length = along.square().sum(1, keepdim=True).sqrt()
    y = (torch.arange(height, device=picture.device, dtype=picture.dtype) + 0.5) / height * 2.0 - 1.0
    x = (torch.arange(width, device=picture.device, dtype=picture.dtype) + 0.5) / width * 2.0 - 1.0
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).unsqueeze(0)
    trace = (xx + yy).unsqueeze(1)
    return Flow(along / (length + 1e-9), length / (trace + 1e-5), grid)


STRIDE = 1.5
LONGEST = 12
"""Strides that a path has at least: enough for all teachers, so that they share the paths of a flow."""


def along(x: Tensor, flow: Flow, sigma: float) -> Tensor:
    """Gaussian average of `x` along the flow lines; `sigma` in pixels."""
    total, weight = x.clone(), 1.0
    steps = max(1, round(2.0 * sigma / STRIDE))
    for sign in (1.0, -1.0):
        for index, at in enumerate(flow.path(sign, STRIDE, max(steps, LONGEST))[:steps], start=1):
            w = math.exp(-((index * STRIDE) ** 2) / (2.0 * sigma**2))
            total = total + _sample(x, at) * w
            weight += w
    return total / weight


def across(x: Tensor, flow: Flow, sigma: float) -> Tensor:
    """Gaussian average of `x` on the straight line across the flow, `sigma` in pixels."""
    unit = flow.to_grid()
    normal = flow.normal()
    total, weight = x.clone(), 1.0
    for index in range(1, max(1, math.ceil(2.5 * sigma)) + 1):
        w = math.exp(-(index**2) / (2.0 * sigma**2))
        for sign in (1.0, -1.0):
            total = total + _sample(x, flow.grid + normal * unit * (sign * index)) * w
            weight += w
    return total / weight


def lines(
    lightness: Tensor,
    flow: Flow,
    *,
    width: float = 1.0,
    length: float = 4.0,
    sharpness: float = 20.0,
    threshold: float = 0.6,
    tau: float = 0.98,
    hardness: float = 12.0,
) -> Tensor:
    """Ink of flow-based extended differences of Gaussians, `[N, 1, H, W]`: 0 paper, 1 ink.

    `width` is the inner Gaussian (a line is about 1.5 times as wide), `length` the Gaussian along it; both in pixels.
    `sharpness` is XDoG's p: how much edges count against tone. Ink falls where the sharpened lightness is below
    `threshold`, with a ramp of about 1 / `hardness`. With tone left out (`tau` near 1 and a small threshold) only edges
    draw.
    """
    fine = across(lightness, flow, width)
    coarse = across(lightness, flow, width * 1.6)
    response = along((1.0 + sharpness) * fine - sharpness * tau * coarse, flow, length)
    return 1.0 - torch.where(
        response >= threshold, torch.ones_like(response), 1.0 + torch.tanh(hardness * (response - threshold))
    )


def edges(
    lightness: Tensor, flow: Flow, *, width: float = 1.0, length: float = 4.0, faint: float = 0.006, full: float = 0.03
) -> Tensor:
    """Dark lines of a flow-based difference of Gaussians without regard to tone, `[N, 1, H, W]`: 0 paper, 1 ink.

    A difference of lightness below `faint` draws nothing, one of `full` draws solid ink. `lightness` is divided by its
    surroundings first (Weber), so that the features of dark skin draw as strongly as those of pale skin.
    """
    local = gaussian(lightness, 8.0)
    even = lightness / (0.12 + 0.88 * local)
    response = along(across(even, flow, width * 1.6) - across(even, flow, width), flow, length)
    t = ((response - faint) / (full - faint)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def grain(lightness: Tensor, flow: Flow, *, fine: float = 0.7, broad: float = 2.2, length: float = 6.0) -> Tensor:
    """Strokes: the picture's own detail between two Gaussians, evened out and drawn along the flow; about -1..1.

    A line integral convolution (Cabral and Leedom 1993) whose noise is the content's own texture, so strokes move with
    what they are on; where there is next to no texture there are next to no strokes.
    """
    detail = gaussian(lightness, fine) - gaussian(lightness, broad)
    local = gaussian(detail.square(), 7.0).sqrt()
    return (along(detail / (local + 0.014), flow, length) * 2.8).clamp(-1.5, 1.5)
