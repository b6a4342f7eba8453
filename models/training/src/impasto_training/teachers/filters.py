"""Picture mathematics that the algorithmic teachers share: colour, blurs, edge-aware smoothing, soft steps.

Everything works on float tensors `[N, C, H, W]`, on any device, batched. Pictures are sRGB 0..1; lightness is Oklab L,
0..1. Lengths are in pixels. Borders are replicated. Nothing here knows an effect.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix.to(x), x)


def to_oklab(rgb: Tensor) -> Tensor:
    """SRGB 0..1 `[N, 3, H, W]` to Oklab (Ottosson 2020): L 0..1, a and b about -0.4..0.4."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)
    cone = _mix(torch.tensor(_LMS), linear).clamp_min(0.0)
    return _mix(torch.tensor(_LAB), cone ** (1.0 / 3.0))


def to_rgb(lab: Tensor) -> Tensor:
    """Oklab to sRGB, clamped to 0..1. Chroma outside the gamut is reduced first, so that hue and lightness stay."""
    linear = _linear(lab)
    outside = ((linear < -1e-3) | (linear > 1.0 + 1e-3)).any(dim=1, keepdim=True)
    if bool(outside.any()):
        low = torch.zeros_like(lab[:, :1])
        high = torch.ones_like(low)
        for _ in range(6):
            middle = (low + high) / 2.0
            trial = _linear(torch.cat([lab[:, :1].clamp(0.0, 1.0), lab[:, 1:] * middle], 1))
            fits = ((trial >= -1e-3) & (trial <= 1.0 + 1e-3)).all(dim=1, keepdim=True)
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        scale = torch.where(outside, low, torch.ones_like(low))
        linear = _linear(torch.cat([lab[:, :1], lab[:, 1:] * scale], 1))
    linear = linear.clamp(0.0, 1.0)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-6) ** (1.0 / 2.4) - 0.055)


def _linear(lab: Tensor) -> Tensor:
    cone = _mix(torch.linalg.inv(torch.tensor(_LAB)), lab) ** 3
    return _mix(torch.linalg.inv(torch.tensor(_LMS)), cone)


def colour(code: str) -> Tensor:
    """`"#rrggbb"` as an Oklab colour `[1, 3, 1, 1]`."""
    values = [int(code[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    return to_oklab(torch.tensor(values).view(1, 3, 1, 1))


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur; wide ones run on a smaller picture, which shows nowhere."""
    if sigma <= 0.05:
        return x
    if sigma > 8.0:
        height, width = x.shape[-2:]
        factor = sigma / 4.0
        small = (max(1, round(height / factor)), max(1, round(width / factor)))
        reduced = gaussian(F.interpolate(x, small, mode="area"), 3.8)
        return F.interpolate(reduced, (height, width), mode="bicubic", align_corners=False)
    radius = max(1, math.ceil(3.0 * sigma))
    at = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-(at**2) / (2.0 * sigma**2))
    kernel = kernel / kernel.sum()
    count, channels, height, width = x.shape
    flat = x.reshape(count * channels, 1, height, width)
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    flat = F.conv2d(F.pad(flat, (0, 0, radius, radius), mode="replicate"), kernel.view(1, 1, -1, 1))
    return flat.reshape(count, channels, height, width)


def step(x: Tensor, edge: float | Tensor, softness: float | Tensor) -> Tensor:
    """0 below `edge`, 1 above, by a cubic over `edge` +- `softness`."""
    t = ((x - edge) / (2.0 * softness) + 0.5).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def guided(x: Tensor, radius: float, epsilon: float) -> Tensor:
    """Edge-aware blur of a lightness by itself (He et al. 2010): contrast below sqrt(epsilon) goes, edges stay."""
    mean = gaussian(x, radius)
    variance = (gaussian(x * x, radius) - mean * mean).clamp_min(0.0)
    gain = variance / (variance + epsilon)
    return gaussian(gain, radius) * x + gaussian(mean * (1.0 - gain), radius)


def bilateral(lab: Tensor, radius: int, sigma: float, contrast: float) -> Tensor:
    """Bilateral filter (Tomasi and Manduchi 1998) in Oklab: `radius` and `sigma` in pixels, `contrast` in L."""
    height, width = lab.shape[-2:]
    padded = F.pad(lab, (radius,) * 4, mode="replicate")
    total, weight = lab.clone(), torch.ones_like(lab[:, :1])
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            distance = dx * dx + dy * dy
            if distance == 0 or distance > radius * radius + 1:
                continue
            near = padded[..., radius + dy : radius + dy + height, radius + dx : radius + dx + width]
            apart = (near - lab).square().sum(dim=1, keepdim=True)
            w = torch.exp(apart * (-0.5 / contrast**2) - distance / (2.0 * sigma**2))
            total += near * w
            weight += w
    return total / weight


def calm(lab: Tensor, passes: int = 2, contrast: float = 0.05) -> Tensor:
    """What every teacher starts from: sensor noise and skin pores go, edges stay."""
    for _ in range(passes):
        lab = bilateral(lab, 3, 2.0, contrast)
    return lab


def exposed(lightness: Tensor, evenness: float = 0.5, middle: float = 0.62, detail: float = 1.15) -> Tensor:
    """Local exposure: a gamma draws the broad light of a place towards `middle` by the share `evenness`.

    A dark face in front of a bright wall and a pale one in front of a dark wall then use the same tones of an effect,
    while black stays black and white stays white. Detail finer than the base layer is multiplied by `detail` (after
    Durand and Dorsey 2002, with a guided filter as base, so that outlines get no halo).
    """
    base = guided(lightness, 14.0, 0.012)
    broad = gaussian(base, 48.0).clamp(0.08, 0.92)
    gamma = (math.log(middle) / torch.log(broad)).clamp(0.42, 2.0) ** evenness
    even = base.clamp(1e-3, 1.0) ** gamma
    return (even + (lightness - base) * detail * (even / base.clamp_min(0.05)).clamp(0.5, 1.8)).clamp(0.0, 1.0)


def bands(x: Tensor, edges: tuple[float, ...], softness: float | Tensor) -> Tensor:
    """Soft membership `[N, len(edges) + 1, H, W]` of the bands between `edges`; sums to one."""
    above = [step(x, edge, softness) for edge in edges]
    ones = torch.ones_like(x)
    return torch.cat([low - high for low, high in zip([ones, *above], [*above, ones * 0.0], strict=True)], 1)


def blend(under: Tensor, over: Tensor, share: Tensor) -> Tensor:
    """`under` where `share` is 0, `over` where it is 1."""
    return under + (over - under) * share


def moved(x: Tensor, down: int, right: int) -> Tensor:
    """`x` shifted by that many pixels (0 or more), the border replicated."""
    height, width = x.shape[-2:]
    return F.pad(x, (right, 0, down, 0), mode="replicate")[..., :height, :width]


def slope(x: Tensor) -> Tensor:
    """Length of the gradient per pixel, of one channel `[N, 1, H, W]`."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2.0
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2.0
    return (right.square() + down.square() + 1e-12).sqrt()


def even_bands(x: Tensor, edges: tuple[float, ...], width_px: float = 1.2) -> Tensor:
    """`bands` whose borders are about `width_px` wide on slopes, and never so hard that noise tips a flat over."""
    softness = (gaussian(slope(x), 1.5) * width_px).clamp(0.02, 0.08)
    return bands(x, edges, softness)
