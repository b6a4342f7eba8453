"""The scenes of the brush stage: contents, and two degraded looks at crops of them, with the canvas of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from impasto_training import augment, brushwork, canvas
from impasto_training.batches import places
from impasto_training.faces import Face
from impasto_training.images import Picture, resize

if TYPE_CHECKING:
    from impasto_training.brush import Lessons, Step

MARGIN = 12
"""Pixels around a crop that the second look may move into."""

STATIC_SHARE = 0.3
"""How often the second look does not move."""

MAX_SLIDE, MAX_ZOOM, MAX_TURN = 3.0, 0.02, 0.02
"""Bounds of the second look's motion: pixels, share, radians. Nearly all lie between pixels, where it is hard."""

CARRY_ERROR = 0.25
"""Pixels by which the canvas of the second look may miss its place, smoothly over the crop."""

SMALL = 2.0 / 3.0
"""Half of the batches see every content at this size, so that faces differ in size."""


@dataclass(frozen=True)
class Looks:
    """Two degraded looks at scenes, and the canvas of each. Pictures `[N, 3, crop, crop]`, 0..1."""

    clean: Tensor
    reference: Tensor
    """Colours and edges that the paintings should keep."""

    first: Tensor
    second: Tensor
    """Of the scenes that are seen twice only, as `canvas_second` and `back`."""

    canvas_first: Tensor
    canvas_second: Tensor
    back: Tensor
    """Where in `second` lies what each pixel of `first` shows, for `grid_sample`."""

    face: Tensor
    """`[N, 1, crop, crop]`, 0..1: inside the face's ellipse 1."""

    gain: Tensor
    """`[N]`: how strongly the canvas is given, 0..1."""


@dataclass(frozen=True)
class Window:
    """Where crops are cut from contents, so that the same can be cut from paintings of them."""

    level: int
    """Which size of the contents: whole or small."""

    content: Tensor
    """`[N]`."""

    rows: Tensor
    columns: Tensor
    """`[N, crop]`; columns run backwards where a crop is mirrored."""

    def cut(self, pictures: Tensor) -> Tensor:
        """`[N, 3, crop, crop]`, 0..1, from bytes `[n, side, side, 3]` or, with a picture per sample, `[N, ...]`."""
        cut = pictures[self.content[:, None, None], self.rows[:, :, None], self.columns[:, None, :]]
        return cut.permute(0, 3, 1, 2).float().div(255.0)


class Contents:
    """All contents on the device, drawn by weight."""

    def __init__(
        self, pictures: Sequence[Picture], faces: Sequence[Face | None], weights: Sequence[float], device: torch.device
    ) -> None:
        side = pictures[0].shape[0]
        small = round(side * SMALL)
        self.levels = [_stacked(pictures, device), _stacked([resize(p, small, small) for p in pictures], device)]
        # Centre x, y and half axes as shares of the side; far outside where there is no face.
        boxes = [
            (-9.0, -9.0, 0.1, 0.1)
            if f is None
            else (
                (f.left + f.right) / 2 / side,
                (f.top + f.bottom) / 2 / side,
                (f.right - f.left) / 2 / side,
                (f.bottom - f.top) / 2 / side,
            )
            for f in faces
        ]
        self._faces = torch.tensor(boxes, device=device)
        self._weights = torch.tensor(weights, device=device)
        self.device = device

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean `[n, 3]` and covariance `[n, 3, 3]` of every content's colours."""
        found = [
            brushwork.colour_statistics(part.permute(0, 3, 1, 2).float().div(255.0))
            for part in torch.split(self.levels[1], 16)
        ]
        return torch.cat([mean for mean, _ in found]), torch.cat([covariance for _, covariance in found])

    def draw(self, count: int, crop: int, generator: Generator) -> Window:
        """Random windows of `crop` pixels, mirrored or not."""
        device = self.device
        level = int(torch.randint(2, (), generator=Generator().manual_seed(generator.initial_seed())))
        side = self.levels[level].shape[1]
        index = torch.multinomial(self._weights, count, replacement=True, generator=generator)
        corner = (torch.rand(2, count, generator=generator, device=device) * (side - crop + 1)).long()
        mirror = torch.rand(count, generator=generator, device=device) < 0.5
        line = torch.arange(crop, device=device)
        columns = corner[1][:, None] + torch.where(mirror[:, None], crop - 1 - line, line)
        return Window(level, index, corner[0][:, None] + line, columns)

    def face(self, window: Window) -> Tensor:
        """`[N, 1, crop, crop]`, 0..1: where in the windows the face is."""
        face = self._faces[window.content] * self.levels[window.level].shape[1]
        across = (window.columns.float() - face[:, :1]) / face[:, 2:3]
        down = (window.rows.float() - face[:, 1:2]) / face[:, 3:4]
        distance = across.square()[:, None, :] + down.square()[:, :, None]
        return ((1.3 - distance) / 0.6).clamp(0.0, 1.0)[:, None]


def _stacked(pictures: Sequence[Picture], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).to(device)


def motions(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """As in `batches`, but nearly always between pixels: linear `[N, 2, 2]` and constant `[N, 2, 1]` part."""
    device = generator.device

    def spread(*shape: int) -> Tensor:
        return 2.0 * torch.rand(*shape, generator=generator, device=device) - 1.0

    moving = torch.rand(count, generator=generator, device=device) >= STATIC_SHARE
    slide, zoom, turn = MAX_SLIDE * spread(count, 2), 1.0 + MAX_ZOOM * spread(count), MAX_TURN * spread(count)
    # A third only slides: most heads do, from frame to frame.
    sliding = torch.rand(count, generator=generator, device=device) < 0.34
    zoom, turn = torch.where(sliding, 1.0, zoom), torch.where(sliding, 0.0, turn)
    cosine, sine = turn.cos() * zoom, turn.sin() * zoom
    linear = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    linear = torch.where(moving[:, None, None], linear, torch.eye(2, device=device))
    return linear, (slide * moving[:, None]).unsqueeze(-1)


def looks(contents: Contents, field: Tensor, lessons: Lessons, step: Step, generator: Generator) -> Looks:
    """Draws scenes, and looks at some of them twice."""
    settings, scale, twice = lessons.settings, step.scale, step.twice
    device, crop, count = generator.device, settings.crop, len(scale)
    window = contents.draw(count, crop + 2 * MARGIN, generator)
    wide = window.cut(contents.levels[window.level])
    inner = slice(MARGIN, MARGIN + crop)
    own = Window(window.level, window.content, window.rows[:, inner], window.columns[:, inner])
    clean = wide[:, :, inner, inner].contiguous()
    strong = torch.rand(count, 1, 1, 1, generator=generator, device=device) < 0.25
    extent = torch.where(strong, 1.0, 0.25)
    lit = augment.light(wide, generator, gain=1.3, gamma=1.25, tint=0.08, extent=extent)
    lit = augment.uneven_light(augment.low_light(lit, 0.08, generator), 0.08, generator)
    lit = augment.soften(lit, 0.3, generator)
    noise = augment.uniform(count, 0.0, 1.0, generator).square() * 0.05
    first = augment.sensor_noise(lit[:, :, inner, inner], noise, generator)
    linear, shift = motions(len(twice), generator)
    drifted = augment.light(lit[twice], generator, gain=1.03, gamma=1.015, tint=0.008)
    grid = places(linear, shift, crop, wide.shape[-1])
    second = F.grid_sample(drifted, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    second = augment.sensor_noise(second.clamp(0.0, 1.0), noise[twice], generator)
    inverse = torch.linalg.inv(linear)
    back = places(inverse, -(inverse @ shift), crop, crop)
    canvas_first, canvas_second = _canvases(field, crop, scale, twice, linear, shift, generator)
    draw = torch.rand(count, generator=generator, device=device)
    gain = torch.where(draw < settings.weak_share, draw / max(settings.weak_share, 1e-6), 1.0)
    strength = gain[:, None, None, None]
    return Looks(
        clean=clean,
        reference=lessons.reference(clean, own, step),
        first=first,
        second=second,
        canvas_first=canvas_first * strength,
        canvas_second=canvas_second * strength[twice],
        back=back,
        face=contents.face(own),
        gain=gain,
    )


def _canvases(
    field: Tensor, crop: int, scale: Tensor, twice: Tensor, linear: Tensor, shift: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """The canvas of the first looks, at random places of the torus, and of the second ones, carried along."""
    device, count = generator.device, len(scale)
    half = crop // 2
    line = (torch.arange(half, device=device, dtype=torch.float32) - (half - 1) / 2.0) * 2.0
    home = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    offset = torch.rand(count, 1, 1, 2, generator=generator, device=device) * canvas.SIDE
    whole = torch.rand(count, 1, 1, 1, generator=generator, device=device) < 0.5
    # At rest and unscaled the app samples the field at its own places, carried it does not.
    offset = torch.where(whole, offset.floor(), offset)
    grow = scale[:, None, None, None]
    moved = torch.einsum("nij,hwj->nhwi", linear, home) + shift[:, None, None, :, 0]
    error = torch.rand(len(twice), 2, 4, 4, generator=generator, device=device) * 2.0 - 1.0
    error = F.interpolate(error, (half, half), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    still = (linear - torch.eye(2, device=device)).abs().sum(dim=(1, 2)) + shift.abs().sum(dim=(1, 2)) == 0.0
    moved = moved + CARRY_ERROR * error * (~still)[:, None, None, None]
    first = canvas.sampled(field, home / grow + offset)
    return first, canvas.sampled(field, moved / grow[twice] + offset[twice])
