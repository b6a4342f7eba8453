"""Training batches, each a pure function of seed and step: a run that was killed goes on exactly where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from impasto_training import augment
from impasto_training.data import Content
from impasto_training.images import Picture
from impasto_training.targets import TargetCache

MARGIN = 8
"""Pixels around a crop that the second look may move into; the largest shift between the two looks."""

STATIC_SHARE = 0.35
"""How often the second look does not move: a still scene under fresh noise is what shows flicker most."""

WHOLE_SHARE = 0.25
"""How often it moves by whole pixels, which nothing softens; else it slides, zooms and turns a little."""

MAX_SLIDE, MAX_ZOOM, MAX_TURN = 2.5, 0.025, 0.025
"""Bounds of the latter: pixels, share, radians. Together they stay within `MARGIN` at the corners of a crop of 192."""

STRONG_LIGHT_SHARE = 0.25
"""How often exposure and colour balance go as far as they may. The target does not follow them, so that bad light is
seen through; if they always did, an effect that turns on tone could only be learned blurred."""

MILD_LIGHT = 0.25
"""How far they go otherwise, of that."""

JPEG_SHARE = 0.3
"""How many looks come from a camera that compresses."""


@dataclass(frozen=True)
class Batch:
    """`first` and `second` show the same scene twice, degraded; `second` is moved by a known flow.

    Pictures are `[N, 3, crop, crop]`, 0..1.
    """

    first: Tensor
    target: Tensor
    style: Tensor
    second: Tensor

    back: Tensor
    """`[N, crop, crop, 2]`: where in `second` lies what each pixel of `first` shows, as `grid_sample` wants it."""

    def to(self, device: torch.device) -> Batch:
        """Moves all of it."""
        return Batch(*(tensor.to(device) for tensor in (self.first, self.target, self.style, self.second, self.back)))

    def share(self, rank: int, processes: int) -> Batch:
        """Every `processes`-th sample, from the `rank`-th on."""
        if processes == 1:
            return self
        own = slice(rank, None, processes)
        return Batch(self.first[own], self.target[own], self.style[own], self.second[own], self.back[own])


class Crops:
    """Random crops of (content, painting) pairs. Styles take turns, so every batch of K holds each style once.

    A content is drawn as often as its weight says; without `weights` all are drawn alike.
    """

    def __init__(
        self,
        cache: TargetCache,
        contents: Sequence[Content],
        styles: Sequence[str],
        crop: int,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.crop = crop
        self._weights = torch.ones(len(contents)) if weights is None else torch.tensor(weights)
        self.style_count = len(styles)
        self._contents = [cache.read(cache.content_path(content)) for content in contents]
        self._targets = [[cache.read(cache.target_path(content, key)) for key in styles] for content in contents]

    def batch(self, size: int, seed: int, step: int) -> Batch:
        """The batch of that step."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chosen = torch.multinomial(self._weights, size, replacement=True, generator=generator).tolist()
        styles = [(step * size + index) % self.style_count for index in range(size)]
        clean, target = [], []
        for content, style in zip(chosen, styles, strict=True):
            pair = (self._contents[content], self._targets[content][style])
            photo, painting = self._window(pair, generator)
            clean.append(photo)
            target.append(painting)
        wide = torch.stack(clean)
        first, second, back = _two_looks(wide, self.crop, generator)
        inner = slice(MARGIN, MARGIN + self.crop)
        vectors = F.one_hot(torch.tensor(styles), self.style_count).float()
        return Batch(first, torch.stack(target)[:, :, inner, inner].contiguous(), vectors, second, back)

    def _window(self, pair: tuple[Picture, Picture], generator: Generator) -> tuple[Tensor, Tensor]:
        """The same random window, mirrored or not, of both: `[3, crop + 2 MARGIN, ...]`, 0..1."""
        side = self.crop + 2 * MARGIN
        height, width = pair[0].shape[:2]
        top = int(torch.randint(height - side + 1, (), generator=generator))
        left = int(torch.randint(width - side + 1, (), generator=generator))
        step = -1 if bool(torch.rand((), generator=generator) < 0.5) else 1
        cut = [np.ascontiguousarray(p[top : top + side, left : left + side][:, ::step]) for p in pair]
        first, second = (torch.from_numpy(c).permute(2, 0, 1).float().div(255.0) for c in cut)
        return first, second


def _two_looks(wide: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    count = wide.shape[0]
    strong = torch.rand(count, 1, 1, 1, generator=generator) < STRONG_LIGHT_SHARE
    extent = torch.where(strong, 1.0, MILD_LIGHT)
    lit = augment.light(wide, generator, gain=1.3, gamma=1.25, tint=0.08, extent=extent)
    lit = augment.uneven_light(augment.low_light(lit, 0.1, generator), 0.1, generator)
    lit = augment.soften(lit, 0.3, generator)
    drifted = augment.light(lit, generator, gain=1.04, gamma=1.02, tint=0.01)
    linear, shift = _motions(count, generator)
    noise = augment.uniform(count, 0.0, 1.0, generator).square() * 0.05
    first = lit[:, :, MARGIN : MARGIN + crop, MARGIN : MARGIN + crop]
    second = resampled(drifted, linear, shift, crop)
    inverse = torch.linalg.inv(linear)
    back = places(inverse, -(inverse @ shift), crop, crop)
    looks = [augment.sensor_noise(look, noise, generator) for look in (first, second)]
    compressed = augment.jpeg(torch.cat(looks), JPEG_SHARE, generator)
    return compressed[:count], compressed[count:], back


def _motions(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """For each sample the map from places in the second look to places in the first, both from the centre, in pixels.

    Linear part `[N, 2, 2]` and constant part `[N, 2, 1]`, in (x, y).
    """

    def spread(*shape: int) -> Tensor:
        return 2.0 * torch.rand(*shape, generator=generator) - 1.0

    kind = torch.rand(count, generator=generator)
    moving = kind >= STATIC_SHARE
    whole = moving & (kind < STATIC_SHARE + WHOLE_SHARE)
    jump = torch.randint(-MARGIN, MARGIN + 1, (count, 2), generator=generator).float()
    slide, zoom, turn = MAX_SLIDE * spread(count, 2), 1.0 + MAX_ZOOM * spread(count), MAX_TURN * spread(count)
    cosine, sine = turn.cos() * zoom, turn.sin() * zoom
    linear = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    linear = torch.where((moving & ~whole)[:, None, None], linear, torch.eye(2))
    shift = torch.where(whole[:, None], jump, slide) * moving[:, None]
    return linear, shift.unsqueeze(-1)


def places(linear: Tensor, shift: Tensor, crop: int, side: int) -> Tensor:
    """Where a map sends the pixels of a crop, `[N, crop, crop, 2]`, in the -1..1 of a picture of that `side`."""
    line = torch.arange(crop, dtype=torch.float32, device=linear.device) - (crop - 1) / 2.0
    y, x = torch.meshgrid(line, line, indexing="ij")
    mapped = linear @ torch.stack([x.flatten(), y.flatten()]) + shift
    return (mapped * (2.0 / side)).transpose(1, 2).reshape(-1, crop, crop, 2)


def resampled(wide: Tensor, linear: Tensor, shift: Tensor, crop: int) -> Tensor:
    """What a crop's pixels see of `wide` `[N, 3, H, H]` after the motion; whole-pixel motions soften nothing."""
    grid = places(linear, shift, crop, wide.shape[-1])
    seen = F.grid_sample(wide, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return seen.clamp(0.0, 1.0)
