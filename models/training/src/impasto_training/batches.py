"""Training batches, each a pure function of seed and step: a run that was killed goes on exactly where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from impasto_training import augment
from impasto_training.data import Content
from impasto_training.images import Picture
from impasto_training.targets import TargetCache

MAX_SHIFT = 8
"""The largest motion, in pixels, between the two looks at one scene."""

STATIC_SHARE = 0.5
"""How often the second look does not move: a still scene under fresh noise is what shows flicker most."""


JPEG_SHARE = 0.3
"""How many looks come from a camera that compresses."""


@dataclass(frozen=True)
class Batch:
    """`first` and `second` show the same scene twice, degraded; `second` is moved by `shifts`.

    All pictures are `[N, 3, crop, crop]`, 0..1. Row `r` of `second` shows what row `r + shifts[n, 0]` of `first`
    shows, likewise for columns.
    """

    first: Tensor
    target: Tensor
    style: Tensor
    second: Tensor
    shifts: Tensor

    def to(self, device: torch.device) -> Batch:
        """Moves what is computed with; `shifts` stays."""
        return Batch(
            self.first.to(device),
            self.target.to(device),
            self.style.to(device),
            self.second.to(device),
            self.shifts,
        )

    def share(self, rank: int, processes: int) -> Batch:
        """Every `processes`-th sample, from the `rank`-th on."""
        if processes == 1:
            return self
        own = slice(rank, None, processes)
        return Batch(self.first[own], self.target[own], self.style[own], self.second[own], self.shifts[own])


class Crops:
    """Random crops of (content, painting) pairs. Styles take turns, so every batch of K holds each style once."""

    def __init__(self, cache: TargetCache, contents: Sequence[Content], styles: Sequence[str], crop: int) -> None:
        self.crop = crop
        self.style_count = len(styles)
        self._contents = [cache.read(cache.content_path(content)) for content in contents]
        self._targets = [[cache.read(cache.target_path(content, key)) for key in styles] for content in contents]

    def batch(self, size: int, seed: int, step: int) -> Batch:
        """The batch of that step."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chosen = torch.randint(len(self._contents), (size,), generator=generator).tolist()
        styles = [(step * size + index) % self.style_count for index in range(size)]
        clean, target = [], []
        for content, style in zip(chosen, styles, strict=True):
            pair = (self._contents[content], self._targets[content][style])
            photo, painting = self._window(pair, generator)
            clean.append(photo)
            target.append(painting)
        wide = torch.stack(clean)
        first, second, shifts = _two_looks(wide, self.crop, generator)
        inner = slice(MAX_SHIFT, MAX_SHIFT + self.crop)
        vectors = one_hot(torch.tensor(styles), self.style_count).float()
        return Batch(first, torch.stack(target)[:, :, inner, inner].contiguous(), vectors, second, shifts)

    def _window(self, pair: tuple[Picture, Picture], generator: Generator) -> tuple[Tensor, Tensor]:
        """The same random window, mirrored or not, of both: `[3, crop + 2 MAX_SHIFT, ...]`, 0..1."""
        side = self.crop + 2 * MAX_SHIFT
        height, width = pair[0].shape[:2]
        top = int(torch.randint(height - side + 1, (), generator=generator))
        left = int(torch.randint(width - side + 1, (), generator=generator))
        step = -1 if bool(torch.rand((), generator=generator) < 0.5) else 1
        cut = [np.ascontiguousarray(p[top : top + side, left : left + side][:, ::step]) for p in pair]
        first, second = (torch.from_numpy(c).permute(2, 0, 1).float().div(255.0) for c in cut)
        return first, second


def _two_looks(wide: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    count = wide.shape[0]
    lit = augment.light(wide, generator, gain=1.3, gamma=1.25, tint=0.08)
    lit = augment.uneven_light(augment.low_light(lit, 0.15, generator), 0.15, generator)
    lit = augment.soften(lit, 0.3, generator)
    drifted = augment.light(lit, generator, gain=1.04, gamma=1.02, tint=0.01)
    moving = torch.rand(count, 1, generator=generator) >= STATIC_SHARE
    shifts = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (count, 2), generator=generator) * moving
    noise = augment.uniform(count, 0.0, 1.0, generator).square() * 0.05
    first = lit[:, :, MAX_SHIFT : MAX_SHIFT + crop, MAX_SHIFT : MAX_SHIFT + crop]
    second = torch.stack(
        [
            picture[:, MAX_SHIFT + dy : MAX_SHIFT + dy + crop, MAX_SHIFT + dx : MAX_SHIFT + dx + crop]
            for picture, (dy, dx) in zip(drifted, shifts.tolist(), strict=True)
        ]
    )
    looks = [augment.sensor_noise(look, noise, generator) for look in (first, second)]
    compressed = augment.jpeg(torch.cat(looks), JPEG_SHARE, generator)
    return compressed[:count], compressed[count:], shifts
