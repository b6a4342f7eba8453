"""The canvas: a fixed field of noise at stroke scales that tells a student where strokes lie, even on a flat wall.

A field is `CHANNELS` layers on a torus of `SIDE` x `SIDE` places; one place is one pixel of the student's picture. The
student takes it in at half that resolution (`networks/student.py`): every second place, which the layers are coarse
enough for. It is made from a seed alone, by integer hashes and double arithmetic, so that the app makes the very same
numbers and a pack stores only the seed.

| layer | what | wavelength across, length along (places) |
| --- | --- | --- |
| 0 | grain: band-limited noise | 8 |
| 1 | blobs: band-limited noise | 22 |
| 2, 3 | bristles: line integral convolution along two swirling directions | 7, 26 |
| 4, 7 | broad strokes: the same, coarser | 13, 50 |
| 5 | dabs: short strokes, each with its own direction and sign | 8, 28 |
| 6 | facets: cells of one value each | 20 |

Line integral convolution: Cabral and Leedom 1993. The dabs are sparse convolution noise (Lewis 1989) with an elongated
Gaussian as its kernel. Every layer has mean 0 and standard deviation 1/3, is cut to -1..1, and is stored in 8 bits.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

SEED = 7
"""Of the field that students are trained with and that packs name."""

SIDE = 512
CHANNELS = 8
DEVIATION = 1.0 / 3.0

Plane = npt.NDArray[np.float64]

_MASK = 0xFFFFFFFF
WAVES = 6
"""Cosines of which a direction field is the sum."""

_WHITE, _TURN, _CROSS, _FACET, _DAB = 0, 16, 17, 18, 24
"""Numbers that keep the uses of the hash apart; white noise takes its layer's number."""


def _hash(seed: int, use: int, x: npt.NDArray[np.uint64], y: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """32 random bits per place: products with odd constants, mixed by MurmurHash3's finaliser."""
    h = (x * 0x9E3779B1) ^ (y * 0x85EBCA77) ^ np.uint64((use + 1) * 0xC2B2AE3D & _MASK)
    h = (h ^ np.uint64((seed & _MASK) * 0x27D4EB2F & _MASK)) & np.uint64(_MASK)
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x85EBCA6B)) & np.uint64(_MASK)
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0xC2B2AE35)) & np.uint64(_MASK)
    return np.asarray(h ^ (h >> np.uint64(16)))


def _uniform(seed: int, use: int, height: int, width: int) -> Plane:
    """`[height, width]` numbers, evenly from -1 up to 1."""
    y, x = np.meshgrid(np.arange(height, dtype=np.uint64), np.arange(width, dtype=np.uint64), indexing="ij")
    return np.asarray(_hash(seed, use, x, y).astype(np.float64) * 2.0**-31 - 1.0)


def _blurred(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur on the torus, cut off at three sigmas and normalised."""
    reach = math.ceil(3.0 * sigma)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        plane = sum(
            tap * np.roll(plane, offset, axis) for offset, tap in zip(range(-reach, reach + 1), taps, strict=True)
        )
    return plane


def _normalised(plane: Plane) -> Plane:
    return np.asarray((plane - plane.mean()) / plane.std())


def _band(white: Plane, wavelength: float) -> Plane:
    """What of white noise is around a wavelength: a difference of two Gaussians."""
    sigma = wavelength / 5.0
    return _normalised(_blurred(white, sigma) - _blurred(white, 2.0 * sigma))


def _waves(seed: int, use: int, amplitude: float) -> Plane:
    """A smooth random field on the torus: the sum of `WAVES` cosines of 1 to 6 periods per side, in radians."""
    draws = _uniform(seed, use, WAVES, 3)
    y, x = np.meshgrid(np.arange(SIDE) / SIDE, np.arange(SIDE) / SIDE, indexing="ij")
    field = np.zeros((SIDE, SIDE))
    for across, down, phase in draws:
        kx, ky = math.floor(across * 4.5 + 0.5), math.floor(down * 4.5 + 0.5)
        kx = kx if (kx, ky) != (0, 0) else 2
        field += np.cos(2.0 * math.pi * (kx * x + ky * y) + math.pi * phase)
    return field * (amplitude * math.sqrt(2.0 / WAVES))


def _looked_up(planes: Plane, x: Plane, y: Plane) -> Plane:
    """Bilinear samples of `planes` `[P, SIDE, SIDE]` on the torus at places `x`, `y`: `[P, ...]`."""
    left, top = np.floor(x), np.floor(y)
    fx, fy = x - left, y - top
    x0, y0 = left.astype(np.int64) % SIDE, top.astype(np.int64) % SIDE
    x1, y1 = (x0 + 1) % SIDE, (y0 + 1) % SIDE
    flat = planes.reshape(len(planes), -1)

    def corner(row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> Plane:
        return np.take(flat, row * SIDE + column, axis=1)

    upper = corner(y0, x0) * (1.0 - fx) + corner(y0, x1) * fx
    lower = corner(y1, x0) * (1.0 - fx) + corner(y1, x1) * fx
    return np.asarray(upper * (1.0 - fy) + lower * fy)


def _along(noise: Plane, direction: Plane, steps: int) -> Plane:
    """Line integral convolution of `noise` along `direction` (radians), `steps` places each way, fading by a cosine."""
    planes = np.stack([np.cos(direction), np.sin(direction), noise])
    home_y, home_x = np.meshgrid(np.arange(SIDE, dtype=np.float64), np.arange(SIDE, dtype=np.float64), indexing="ij")
    total = noise.copy()
    for sign in (1.0, -1.0):
        x, y = home_x.copy(), home_y.copy()
        across, down = planes[0], planes[1]
        for step in range(1, steps + 1):
            x += sign * across
            y += sign * down
            across, down, there = _looked_up(planes, x, y)
            total += there * (0.5 + 0.5 * math.cos(math.pi * step / (steps + 1)))
    return _normalised(total)


FACET = 16
"""Places per cell of the grid that facets grow from."""


def _facets(seed: int) -> Plane:
    """One value per cell of a jittered grid's Voronoi diagram (the nearest of the nine points around), softened."""
    cells = SIDE // FACET
    jitter_x, jitter_y, value = (_uniform(seed, _FACET + i, cells, cells) for i in range(3))
    y, x = np.meshgrid(np.arange(SIDE, dtype=np.float64), np.arange(SIDE, dtype=np.float64), indexing="ij")
    cx, cy = (x // FACET).astype(np.int64), (y // FACET).astype(np.int64)
    nearest, chosen = np.full((SIDE, SIDE), np.inf), np.zeros((SIDE, SIDE))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            column, row = (cx + dx) % cells, (cy + dy) % cells
            px = (cx + dx + 0.5 + 0.45 * jitter_x[row, column]) * FACET
            py = (cy + dy + 0.5 + 0.45 * jitter_y[row, column]) * FACET
            distance = (px - x) ** 2 + (py - y) ** 2
            closer = distance < nearest
            nearest = np.where(closer, distance, nearest)
            chosen = np.where(closer, value[row, column], chosen)
    return _normalised(_blurred(chosen, 1.4))


DAB = 16
"""Places per cell of the grid that holds one dab each."""

DAB_ALONG, DAB_ACROSS = 8.0, 2.4
"""Standard deviations of a dab, in places."""


def _dabs(seed: int, direction: Plane) -> Plane:
    """Short strokes of either sign, within 0.8 radians of the direction where they lie; the 25 nearest cells count."""
    cells = SIDE // DAB
    jitter_x, jitter_y, turn, weight = (_uniform(seed, _DAB + i, cells, cells) for i in range(4))
    y, x = np.meshgrid(np.arange(SIDE, dtype=np.float64), np.arange(SIDE, dtype=np.float64), indexing="ij")
    cx, cy = (x // DAB).astype(np.int64), (y // DAB).astype(np.int64)
    total = np.zeros((SIDE, SIDE))
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            column, row = (cx + dx) % cells, (cy + dy) % cells
            ox = x - (cx + dx + 0.5 + 0.5 * jitter_x[row, column]) * DAB
            oy = y - (cy + dy + 0.5 + 0.5 * jitter_y[row, column]) * DAB
            angle = direction[row * DAB + DAB // 2, column * DAB + DAB // 2] + 0.8 * turn[row, column]
            along = (ox * np.cos(angle) + oy * np.sin(angle)) / DAB_ALONG
            across = (oy * np.cos(angle) - ox * np.sin(angle)) / DAB_ACROSS
            sign = np.where(weight[row, column] < 0.0, -1.0, 1.0)
            total += (weight[row, column] + sign) * np.exp(-0.5 * (along**2 + across**2))
    return _normalised(total)


@lru_cache(maxsize=4)
def field(seed: int) -> npt.NDArray[np.int8]:
    """The field of a seed: `[CHANNELS, SIDE, SIDE]`, 127 stands for 1."""
    first = 0.6 + _waves(seed, _TURN, 1.3)
    second = first + 1.1 + _waves(seed, _CROSS, 0.5)
    white = [_uniform(seed, _WHITE + layer, SIDE, SIDE) for layer in range(CHANNELS)]
    layers = [
        _band(white[0], 8.0),
        _band(white[1], 22.0),
        _along(_band(white[2], 7.0), first, 13),
        _along(_band(white[3], 7.0), second, 13),
        _along(_band(white[4], 13.0), first, 25),
        _dabs(seed, first),
        _facets(seed),
        _along(_band(white[7], 13.0), second, 25),
    ]
    scaled = np.clip(np.stack(layers) * DEVIATION, -1.0, 1.0)
    return np.floor(scaled * 127.0 + 0.5).astype(np.int8)


def as_tensor(seed: int) -> Tensor:
    """The field of a seed as float32 `[CHANNELS, SIDE, SIDE]`, -1..1."""
    return torch.from_numpy(field(seed).astype(np.float32) / 127.0)


def sampled(field: Tensor, places: Tensor) -> Tensor:
    """Bilinear samples of `field` `[C, SIDE, SIDE]` on the torus at `places` `[N, H, W, 2]` (x, y): `[N, C, H, W]`."""
    side = field.shape[-1]
    # One more row and column, so that the last place interpolates towards the first.
    wrapped = torch.cat([field, field[:, :1]], dim=1)
    wrapped = torch.cat([wrapped, wrapped[:, :, :1]], dim=2)
    grid = places.remainder(side) * (2.0 / side) - 1.0
    count = places.shape[0]
    return F.grid_sample(wrapped.expand(count, -1, -1, -1), grid, mode="bilinear", align_corners=True)


def at_rest(field: Tensor, height: int, width: int, scale: float = 1.0) -> Tensor:
    """The canvas of a still picture `[1, C, height/2, width/2]` for a student's picture of `height` x `width`.

    `scale` 2 makes strokes twice as large.
    """
    y, x = torch.meshgrid(torch.arange(height // 2), torch.arange(width // 2), indexing="ij")
    places = torch.stack([x, y], dim=-1).to(field.dtype).to(field.device) * (2.0 / scale)
    return sampled(field, places[None])
