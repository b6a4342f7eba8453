"""Brushwork: the second stage of training, in which a student learns to lay strokes.

`distil` teaches a network what a calmed teacher makes of a picture, and every stroke that a picture does not explain is
averaged away. This stage begins with such a network, gives it a canvas (`canvas.py`) that says where strokes lie, and
asks for the painting's own statistics instead of one particular painting (`brushwork.py`):

| term | of what | asks for |
| --- | --- | --- |
| style | Gram matrices, SqueezeNet, two scales | the strokes of the painting |
| mobile | Gram matrices, MobileNetV2 | the same, so that no single network is fooled |
| swd | sliced Wasserstein, SqueezeNet | their whole distribution |
| palette | sliced Wasserstein on colours | the colours of the painting |
| low | L1 to a reference, averaged over 16 pixels | which colour goes where |
| edge | gradients at the photo's edges, to the reference's | faces and things that can be recognised |
| content | deep features of the photo | the same |
| adversary | a network that learns to tell the painting from it | what no fixed network sees |
| border | steps between the outermost pixels and the next | no line or strip along the border |
| stability | two looks at one scene, the canvas moved with it | calm |

The *reference* is a mixture of what the network painted before this stage and the photo in the painting's colours
(`brushwork.matched`). Effects without a painting are held to what the best network painted before.

Everything lives on one device, batches depend on seed and step alone, and a run goes on from its last checkpoint.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from impasto_training import augment, brushwork, canvas
from impasto_training.batches import places
from impasto_training.brushwork import SAMPLES, STYLE_LAYERS, chosen, gram, gram_distance
from impasto_training.faces import Face
from impasto_training.images import Picture, load_picture, resize, to_float
from impasto_training.losses import colour, frame, stability
from impasto_training.networks.mobilenet import MobileNetFeatures
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import Student
from impasto_training.recipe import BrushSettings, EffectSettings

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

LOW_WINDOW = 16
RIM = 16
"""Pixels along the border in which nobody looks for the painting's brushwork.

The networks pad with zeros, so a student knows where the border is, and would lay a strip there that has what the rest
of the picture lacks.
"""

CANVAS_LAYERS = ("encoder.0.depthwise", "encoder.0.project", "decoder.2.0.depthwise", "decoder.2.0.pointwise")
"""The layers that the canvas joins, and those behind them."""

MEMORY_FORMAT = torch.channels_last
MIXED = False
WARM_UP_STEPS = 60
AVERAGE_DECAY = 0.995
CHECKPOINT_SECONDS = 60.0


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


@dataclass(frozen=True)
class Goals:
    """What is known of the paintings, on the device; the first index is the painting's."""

    grams: list[list[Tensor]]
    """By network and layer, as `Critics.layers` gives them: `[S, C, C]`."""

    vectors: list[Tensor]
    """SqueezeNet's features by layer, `[S, C, M]`: random ones."""

    colours: Tensor
    """`[S, 3, M]`: random ones."""

    windows: Tensor
    """`[S, W, 3, crop, crop]`, bytes: for the adversary."""

    mean: Tensor
    covariance: Tensor


VECTORS = 8192
"""Feature vectors and colours that are kept of each painting."""

WINDOWS = 48


class Critics(nn.Module):
    """The two fixed networks that look at pictures."""

    def __init__(self, data_root: Path) -> None:
        super().__init__()
        nets = data_root / "nets"
        self.squeeze = LpipsSqueeze(nets / "squeezenet1_1_fp16.npz", nets / "lpips_v0.1_squeeze_heads.pth")
        self.mobile = MobileNetFeatures(nets / "mobilenet_v2_1.0_encoder_fp16.npz")

    def layers(self, picture: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """All of SqueezeNet's taps; and the layers whose Gram matrices count: SqueezeNet's of the picture and of the
        picture at half its size, and MobileNetV2's.
        """
        taps = self.squeeze.taps(picture)
        small = self.squeeze.taps(F.avg_pool2d(picture, 2))
        return taps, [*chosen(taps, STYLE_LAYERS), *chosen(small, STYLE_LAYERS)], self.mobile(picture)

    @torch.no_grad()
    def goals(self, paintings: Sequence[tuple[Picture, int]], crop: int, device: torch.device, seed: int) -> Goals:
        """Measures paintings, each brought to a short side of so many pixels."""
        generator = Generator(device=device).manual_seed(seed)
        grams: list[list[list[Tensor]]] = []
        vectors, colours, windows, means, covariances = [], [], [], [], []

        def some(columns: Tensor, count: int) -> Tensor:
            place = torch.randint(columns.shape[1], (count,), generator=generator, device=device)
            return columns[:, place]

        for painting, side in paintings:
            factor = side / min(painting.shape[:2])
            small = resize(painting, round(painting.shape[1] * factor), round(painting.shape[0] * factor))
            picture = torch.from_numpy(to_float(small)).permute(2, 0, 1)[None].to(device)
            taps, *networks = self.layers(picture)
            grams.append([[gram(layer)[0] for layer in layers] for layers in networks])
            vectors.append([some(layer[0].flatten(1), VECTORS) for layer in chosen(taps, STYLE_LAYERS)[:3]])
            colours.append(some(brushwork.palette(picture)[0], VECTORS))
            windows.append(_windows(picture[0], crop, generator))
            mean, covariance = brushwork.colour_statistics(picture)
            means.append(mean)
            covariances.append(covariance)
        return Goals(
            [[torch.stack(layer) for layer in zip(*network, strict=True)] for network in zip(*grams, strict=True)],
            [torch.stack(layer) for layer in zip(*vectors, strict=True)],
            torch.stack(colours),
            torch.stack(windows),
            torch.cat(means),
            torch.cat(covariances),
        )


def _windows(picture: Tensor, crop: int, generator: Generator) -> Tensor:
    """`WINDOWS` random crops of a painting, mirrored or not, as bytes."""
    height, width = picture.shape[1:]
    draws = torch.rand(WINDOWS, 3, generator=generator, device=generator.device).tolist()
    found = []
    for down, right, flip in draws:
        top, left = int(down * (height - crop + 1)), int(right * (width - crop + 1))
        window = picture[:, top : top + crop, left : left + crop]
        found.append(window.flip(-1) if flip < 0.5 else window)
    return torch.stack(found).mul(255.0).round().byte()


def _gradients(picture: Tensor) -> Tensor:
    """Differences `[N, 2, H/2 - 1, W/2 - 1]` of the brightness at half the size, across and down."""
    light = F.avg_pool2d(picture.mean(dim=1, keepdim=True), 2)
    across = light[:, :, :, 1:] - light[:, :, :, :-1]
    down = light[:, :, 1:] - light[:, :, :-1]
    return torch.cat(
        [0.5 * (across[:, :, 1:] + across[:, :, :-1]), 0.5 * (down[:, :, :, 1:] + down[:, :, :, :-1])], dim=1
    )


class Adversary(nn.Module):
    """Tells patches of paintings from patches of painted pictures (PatchGAN, Isola et al. 2017), by style.

    The style enters as a projection (Miyato and Koyama 2018): features times an embedding are added to the plain score.
    """

    def __init__(self, styles: int) -> None:
        super().__init__()
        normed = nn.utils.parametrizations.spectral_norm
        widths = (3, 32, 64, 96, 96)
        self.layers = nn.ModuleList(
            normed(nn.Conv2d(before, after, 4 if place < 3 else 3, 2 if place < 3 else 1, 1))
            for place, (before, after) in enumerate(pairwise(widths))
        )
        self.plain = normed(nn.Conv2d(widths[-1], 1, 1))
        self.embedding = normed(nn.Embedding(styles, widths[-1]))

    def forward(self, pictures: Tensor, styles: Tensor) -> Tensor:
        """`[N, 3, H, W]` and `[N]` to scores of patches; positive says painting."""
        x = pictures * 2.0 - 1.0
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        score: Tensor = self.plain(x) + (x * self.embedding(styles)[:, :, None, None]).sum(dim=1, keepdim=True)
        return score


@dataclass(frozen=True)
class Layout:
    """Which style each sample of a step is painted in: the paintings' first, `group` of each, then the calm ones."""

    bold: tuple[int, ...]
    group: int
    calm: tuple[int, ...]

    @property
    def styles(self) -> list[int]:
        """By sample."""
        return [style for style in self.bold for _ in range(self.group)] + list(self.calm)

    @property
    def twice(self) -> list[int]:
        """The samples that are looked at twice: half of each group and of the calm ones."""
        count = len(self.bold) * self.group
        part = (self.group + 1) // 2
        firsts = [place for place in range(count) if place % self.group < part]
        return firsts + list(range(count, count + (len(self.calm) + 1) // 2))


@dataclass(frozen=True)
class Step:
    """A layout on the device: everything that a step looks up."""

    layout: Layout
    styles: Tensor
    vectors: Tensor
    """Style vectors of all looks; a single one where all samples share a style."""

    vectors_first: Tensor
    twice: Tensor
    paintings: Tensor
    """`[G]`: which of the goals each group wants."""

    scale: Tensor
    heeds: Tensor
    """`[N, 1, 1, 1]`: 1 for samples that are given a canvas."""

    share: Tensor
    """`[G * group, 1, 1, 1]`: how much of the reference is the photo in the painting's colours."""

    emphasis: Tensor
    """`[G * group]`: how much the style terms weigh."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of a step's loss, so that the loss itself is a plain function."""

    directions: list[Tensor]
    samples: list[Tensor]
    colour_directions: Tensor
    colour_samples: Tensor
    windows: Tensor
    vectors: list[Tensor]


class Lessons:
    """What one run teaches: for every style either a painting or what `before` made of pictures."""

    def __init__(
        self,
        effects: Sequence[EffectSettings],
        settings: BrushSettings,
        critics: Critics,
        before: nn.Module,
        known: Sequence[bool],
        contents: Contents,
        data_root: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        """`before` paints as the network did before this stage, for the effects that are `known` to it."""
        self.settings = settings
        self.critics = critics
        self.before = before
        self.effects = effects
        self.device = device
        self.bold = [style for style, effect in enumerate(effects) if effect.painting is not None]
        self.calm = [style for style, effect in enumerate(effects) if effect.painting is None]
        self.drawn = list(self.bold)
        """The styles of `bold` that steps paint; a run may leave some as they are."""

        self._shares = [effect.brush.palette if there else 1.0 for effect, there in zip(effects, known, strict=True)]
        paintings = [
            (load_picture(data_root / (effects[style].painting or "")), effects[style].brush.side)
            for style in self.bold
        ]
        self.goals = critics.goals(paintings, settings.crop, device, seed) if paintings else None
        if self.goals is not None:
            mean, covariance = (statistic.cpu() for statistic in contents.statistics())
            wanted = self.goals.covariance.cpu()
            maps = [brushwork.colour_map(covariance, goal.expand(len(mean), 3, 3)) for goal in wanted]
            self._maps = torch.stack(maps).to(device)
            self._content_means = mean.to(device)
        self.calm_weight = torch.tensor(settings.weight_stability, device=device)
        """The weight of the stability term; see `set_progress`."""

        self.adversary: Adversary | None = None
        if settings.weight_adversary > 0.0 and self.goals is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.adversary = Adversary(len(self.bold)).to(device)
            self.adversary_optimiser = torch.optim.Adam(
                self.adversary.parameters(), lr=4e-4, betas=(0.0, 0.95), capturable=device.type == "cuda"
            )

    def set_progress(self, progress: float) -> None:
        """Calm weighs less at first, so that strokes are learned, and its whole weight from half of the run on."""
        share = self.settings.calm_at_first
        self.calm_weight.fill_(self.settings.weight_stability * min(1.0, share + 2.0 * (1.0 - share) * progress))

    def step(self, layout: Layout) -> Step:
        """Brings a layout to the device."""
        device, count = self.device, len(self.effects)
        styles, twice = torch.tensor(layout.styles), torch.tensor(layout.twice)
        first = F.one_hot(styles, count).float()
        every = torch.cat([first, first[twice]])
        alike = len(set(layout.styles)) == 1
        bold = len(layout.bold) * layout.group
        share = torch.tensor([self._shares[style] for style in layout.styles[:bold]])
        scale = torch.tensor([self.effects[style].brush.scale for style in layout.styles])
        emphasis = torch.tensor([self.effects[style].brush.emphasis for style in layout.styles[:bold]])
        return Step(
            layout,
            styles.to(device),
            (every[:1] if alike else every).to(device),
            (first[:1] if alike else first).to(device),
            twice.to(device),
            torch.tensor([self.bold.index(style) for style in layout.bold], device=device, dtype=torch.long),
            scale.to(device),
            (torch.arange(len(styles)) < bold).float()[:, None, None, None].to(device),
            share[:, None, None, None].to(device),
            emphasis.to(device),
        )

    def draws(self, layout: Layout, generator: Generator) -> Draws:
        """The random numbers of a step."""
        device = generator.device
        assert self.goals is not None

        def integers(limit: int, count: int) -> Tensor:
            return torch.randint(limit, (count,), generator=generator, device=device)

        inner = self.settings.crop - 2 * RIM
        sides = [inner // 2 - 1]
        for _ in range(2):
            sides.append(-(-(sides[-1] - 3) // 2) + 1)
        pixels = [layout.group * side * side for side in sides]
        counts = [min(count, SAMPLES) for count in pixels]
        colours = layout.group * (inner // brushwork.PALETTE_WINDOW) ** 2
        return Draws(
            [brushwork.random_directions(vectors.shape[1], generator) for vectors in self.goals.vectors],
            [integers(limit, count) for limit, count in zip(pixels, counts, strict=True)],
            brushwork.random_directions(3, generator),
            integers(VECTORS, colours),
            integers(WINDOWS, len(layout.bold) * layout.group),
            [integers(VECTORS, count) for count in counts],
        )

    def _painted_before(self, pictures: Tensor, vectors: Tensor) -> Tensor:
        on_gpu = pictures.device.type == "cuda"
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=on_gpu):
            painted: Tensor = self.before(pictures.contiguous(memory_format=MEMORY_FORMAT), vectors)
        return painted.float()

    @torch.no_grad()
    def reference(self, clean: Tensor, window: Window, step: Step) -> Tensor:
        """Colours and edges that each sample's painting should keep."""
        old = self._painted_before(clean, step.vectors_first)
        bold = len(step.share)
        if self.goals is None or not bold:
            return old
        painting = step.paintings.repeat_interleave(step.layout.group)
        content = window.content[:bold]
        centred = clean[:bold].flatten(2) - self._content_means[content][:, :, None]
        moved = self._maps[painting, content] @ centred + self.goals.mean[painting][:, :, None]
        coloured = moved.view_as(clean[:bold]).clamp(0.0, 1.0)
        return torch.cat([torch.lerp(old[:bold], coloured, step.share), old[bold:]])

    def terms(self, painter: nn.Module, seen: Looks, step: Step, draws: Draws | None) -> dict[str, Tensor]:
        """The weighted terms of the loss."""
        looked = torch.cat([seen.first, seen.second]).contiguous(memory_format=MEMORY_FORMAT)
        noise = torch.cat([seen.canvas_first * step.heeds, seen.canvas_second * step.heeds[step.twice]])
        with torch.autocast(looked.device.type, torch.bfloat16, enabled=MIXED):
            painted = painter(looked, step.vectors, noise).float()
        count = len(seen.first)
        first, second = painted[:count], painted[count:]
        reference = seen.reference
        weights = self.settings
        terms = {
            "stability": self.calm_weight * stability(first[step.twice], second, seen.back),
            "border": weights.weight_border * frame(first, reference),
        }
        bold = len(step.share)
        if bold and draws is not None:
            terms |= self._bold_terms(first[:bold], reference[:bold], seen, step, draws)
        if bold < count:
            terms |= self._calm_terms(first[bold:], reference[bold:], 1.0 - bold / count)
        return terms

    def _calm_terms(self, painted: Tensor, target: Tensor, share: float) -> dict[str, Tensor]:
        on_gpu = painted.device.type == "cuda"
        with torch.autocast(painted.device.type, torch.bfloat16, enabled=on_gpu):
            distance = self.critics.squeeze(painted, target).float().mean()
        return {
            "keep": share * self.settings.weight_keep * (4.0 * (painted - target).abs().mean() + 4.0 * distance),
            "keep colour": share * self.settings.weight_keep * 2.0 * colour(painted, target),
        }

    def _adversarial(self, painted: Tensor, step: Step, draws: Draws) -> Tensor:
        """Teaches the adversary, then asks it about the painted pictures (hinge loss)."""
        assert self.adversary is not None and self.goals is not None
        painting = step.paintings.repeat_interleave(step.layout.group)
        real = self.goals.windows[painting, draws.windows].float() / 255.0
        fooled = F.relu(1.0 + self.adversary(painted.detach(), painting)).mean()
        loss = F.relu(1.0 - self.adversary(real, painting)).mean() + fooled
        self.adversary_optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.adversary_optimiser.step()
        self.adversary.requires_grad_(False)
        term: Tensor = -self.adversary(painted, painting).mean()
        self.adversary.requires_grad_(True)
        return term

    def _bold_terms(
        self, painted: Tensor, reference: Tensor, seen: Looks, step: Step, draws: Draws
    ) -> dict[str, Tensor]:
        weights, goals, group = self.settings, self.goals, step.layout.group
        assert goals is not None
        count = len(painted)
        clean, face, gain = seen.clean[:count], seen.face[:count], seen.gain[:count]
        on_gpu = painted.device.type == "cuda"
        with torch.autocast(painted.device.type, torch.bfloat16, enabled=on_gpu):
            inner = _inner(painted).contiguous(memory_format=MEMORY_FORMAT)
            taps, *networks = self.critics.layers(inner)
            with torch.no_grad():
                photo = chosen(self.critics.squeeze.taps(_inner(clean)), (brushwork.CONTENT_LAYER,))[0]
        with torch.autocast(painted.device.type, enabled=False):
            sample = step.paintings.repeat_interleave(group)
            styles = []
            for wanted, layers in zip(goals.grams, networks, strict=True):
                apart = [gram_distance(gram(layer), goal[sample]) for layer, goal in zip(layers, wanted, strict=True)]
                styles.append((gain * step.emphasis * torch.stack(apart)).mean())
            sliced = painted.new_zeros(())
            for place, features in enumerate(chosen(taps, STYLE_LAYERS)[:3]):
                mine = _grouped(features.float(), group)[:, :, draws.samples[place]]
                theirs = goals.vectors[place][step.paintings][:, :, draws.vectors[place]]
                sliced = sliced + brushwork.sliced_distance(mine, theirs, draws.directions[place]) / 3.0
            mine = _grouped(brushwork.palette(inner), group)
            theirs = goals.colours[step.paintings][:, :, draws.colour_samples]
            colours = brushwork.sliced_distance(mine, theirs, draws.colour_directions)
            heed = 1.0 + weights.face_factor * face
            deep = _unit(chosen(taps, (brushwork.CONTENT_LAYER,))[0])
            there = F.interpolate(_inner(heed), deep.shape[2:], mode="area")
            content = ((deep - _unit(photo)).square().sum(dim=1, keepdim=True) * there).mean()
            ours, theirs, edges = _gradients(painted), _gradients(reference), _gradients(clean)
            strong = (edges.square().sum(dim=1, keepdim=True).sqrt() / 0.06).clamp(0.0, 1.0).square()
            around = F.avg_pool2d(heed, 2)[:, :, 1:, 1:]
            edge = ((ours - theirs).abs() * strong * around).mean()
            low = (F.avg_pool2d(painted, LOW_WINDOW) - F.avg_pool2d(reference, LOW_WINDOW)).abs().mean()
            # The distances over whole groups have no sample to weigh.
            sliced, colours = step.emphasis.mean() * sliced, step.emphasis.mean() * colours
            terms = {
                "style": weights.weight_style * styles[0],
                "mobile": weights.weight_mobile * styles[1],
                "swd": weights.weight_swd * sliced,
                "palette": weights.weight_palette * colours,
                "content": weights.weight_content * content,
                "edge": weights.weight_edge * edge,
                "low": weights.weight_low * low,
            }
            if self.adversary is not None:
                terms["adversary"] = weights.weight_adversary * self._adversarial(inner, step, draws)
        return terms


def _inner(pictures: Tensor) -> Tensor:
    """Without the rim."""
    return pictures[:, :, RIM:-RIM, RIM:-RIM]


def _grouped(vectors: Tensor, group: int) -> Tensor:
    """`[G * group, C, ...]` to `[G, C, M]`: all places of the pictures of each group."""
    count, channels = vectors.shape[:2]
    return vectors.reshape(count // group, group, channels, -1).transpose(1, 2).flatten(2)


def _unit(features: Tensor) -> Tensor:
    features = features.float()
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-6)


class BrushRun:
    """The state of one run: student, running average, optimiser, step. Normalisation statistics stay as they are."""

    def __init__(self, student: Student, settings: BrushSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.student = student.to(device).eval().to(memory_format=MEMORY_FORMAT)
        self.average = copy.deepcopy(self.student).requires_grad_(False)
        self.begun = copy.deepcopy(self.student).requires_grad_(False)
        rows = [p for layer in self.student.convolutions() if layer.styled for p in (layer.scale, layer.bias)]
        own = {id(row) for row in rows}
        shared = [p for p in self.student.parameters() if id(p) not in own]
        if settings.rows_only:
            for parameter in shared:
                parameter.requires_grad_(False)
            shared = self._canvas_weights() if settings.canvas_rate > 0.0 else []
        self._factors = (settings.canvas_rate if settings.rows_only else 1.0, settings.row_rate)
        on_gpu = device.type == "cuda"
        # A recorded step reads its rates from the device.
        self._rates = [torch.zeros((), device=device) if on_gpu else 0.0 for _ in self._factors]
        groups = [{"params": part, "lr": rate} for part, rate in zip((shared, rows), self._rates, strict=True)]
        self.parameters = [*shared, *rows]
        self.optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), capturable=on_gpu)
        self.step = 0
        self.progress = 0.0
        """How far the schedule has gone, 0..1."""

        self.seconds = 0.0

    def _canvas_weights(self) -> list[nn.Parameter]:
        """The weights that a canvas of zeros never meets; the rest of their layers gets no gradient."""
        channels = self.student.architecture.canvas
        found: list[nn.Parameter] = []
        for name in CANVAS_LAYERS:
            layer = next(layer for layer in self.student.convolutions() if layer.name == name)
            weight: nn.Parameter = layer.conv.weight  # type: ignore[assignment]
            weight.requires_grad_(True)
            mask = torch.zeros_like(weight)
            # Depthwise weights have their channels first, pointwise ones second.
            mask[-channels:] = float(weight.shape[1] == 1)
            if weight.shape[1] > 1:
                mask[:, -channels:] = 1.0
            weight.register_hook(partial(torch.mul, mask))  # type: ignore[no-untyped-call]
            found.append(weight)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "begun": self.begun.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "progress": self.progress,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` of another process gave."""
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.begun.load_state_dict(state["begun"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate
        self.step, self.seconds, self.progress = state["step"], state["seconds"], state["progress"]

    def set_rate(self, progress: float) -> None:
        """Sets the learning rate for a place 0..1 in the run: a warm-up, then half a cosine."""
        rate = self.settings.learning_rate * min(1.0, (self.step + 1) / WARM_UP_STEPS)
        rate *= max(0.02, 0.5 * (1.0 + math.cos(math.pi * progress)))
        for group, factor in zip(self.optimiser.param_groups, self._factors, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor

    def descend(self, terms: dict[str, Tensor]) -> None:
        """One step down the sum of `terms`. Nothing here waits for the device."""
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        with torch.no_grad():
            averaged: list[Tensor] = list(self.average.parameters())
            current: list[Tensor] = list(self.student.parameters())
            torch._foreach_lerp_(averaged, current, 1.0 - AVERAGE_DECAY)


class Recorded:
    """A step that is recorded once on a GPU and then replayed, which spares thousands of launches.

    The inputs are copied into place before each replay; the layout is the same at every step.
    """

    def __init__(self, run: BrushRun, lessons: Lessons, seen: Looks, step: Step, draws: Draws) -> None:
        self._seen, self._draws = seen, draws
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run.descend(lessons.terms(run.student, seen, step, draws))
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        run.optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self.terms = lessons.terms(run.student, seen, step, draws)
            run.descend(self.terms)

    def replay(self, seen: Looks, draws: Draws) -> dict[str, Tensor]:
        """One step on fresh inputs; the terms hold until the next replay."""
        for old, new in ((self._seen, seen), (self._draws, draws)):
            for field in dataclasses.fields(old):
                theirs, ours = getattr(new, field.name), getattr(old, field.name)
                pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
                for target, source in pairs:
                    target.copy_(source)
        self._graph.replay()
        return self.terms


def layout(step: int, seed: int, lessons: Lessons) -> Layout:
    """What a step paints: all styles where the batch has room for them, else some in turns, in shuffled rounds."""
    settings = lessons.settings
    if settings.batch >= len(lessons.drawn) * settings.group + len(lessons.calm):
        calm = settings.batch - len(lessons.drawn) * settings.group
        each = calm // max(len(lessons.calm), 1)
        return Layout(tuple(lessons.drawn), settings.group, tuple(style for style in lessons.calm for _ in range(each)))
    styles = [*lessons.drawn, *lessons.calm]
    picked = []
    groups = max(settings.batch // settings.group, 1)
    for place in range(step * groups, (step + 1) * groups):
        turn, within = divmod(place, len(styles))
        order = torch.randperm(len(styles), generator=Generator().manual_seed(seed * 7919 + turn)).tolist()
        picked.append(styles[order[within]])
    calm_styles = tuple(style for style in picked if style in lessons.calm for _ in range(settings.group))
    return Layout(tuple(style for style in picked if style in lessons.drawn), settings.group, calm_styles)


def train(
    run: BrushRun,
    lessons: Lessons,
    contents: Contents,
    field: Tensor,
    seed: int,
    steps: int,
    checkpoint: Path | None = None,
    facts: str = "",
    seconds: float = math.inf,
    report: int = 50,
    until: float = 1.0,
) -> None:
    """Goes on until `steps` are done or `seconds` of wall time have passed; then the rate has come down either way.

    With `until` below 1 that is only the first part of the schedule, and another call goes on from there.
    """
    first, begun = run.progress, run.step
    started = saved = clock = time.monotonic()
    shown: dict[str, Tensor] = {}
    recorded: Recorded | None = None
    fixed = layout(0, seed, lessons) == layout(1, seed, lessons)
    known: dict[Layout, Step] = {}
    while run.step < steps and time.monotonic() - started < seconds:
        share = (time.monotonic() - started) / seconds if math.isfinite(seconds) else 0.0
        progress = first + (until - first) * max((run.step - begun) / (steps - begun), share)
        generator = Generator(device=run.device).manual_seed(seed * 1_000_003 + run.step)
        wanted = layout(run.step, seed, lessons)
        step = known.setdefault(wanted, lessons.step(wanted)) if wanted not in known else known[wanted]
        seen = looks(contents, field, lessons, step, generator)
        draws = lessons.draws(wanted, generator) if wanted.bold else None
        run.progress = progress
        run.set_rate(progress)
        lessons.set_progress(progress)
        if recorded is None and fixed and run.device.type == "cuda" and draws is not None:
            try:
                recorded = Recorded(run, lessons, seen, step, draws)
            except RuntimeError as error:
                print(f"the step cannot be recorded on this GPU, so it is launched anew each time: {error}", flush=True)
                fixed = False
        if recorded is not None and draws is not None:
            terms = recorded.replay(seen, draws)
        else:
            terms = lessons.terms(run.student, seen, step, draws)
            run.descend(terms)
        run.step += 1
        for name, term in terms.items():
            value = term.detach()
            shown[name] = value.clone() if name not in shown else torch.lerp(shown[name], value, 0.05)
        now = time.monotonic()
        run.seconds += now - clock
        clock = now
        if run.step % report == 0:
            words = " ".join(f"{name} {value.item():.3f}" for name, value in shown.items())
            print(f"{run.step} {run.seconds:.0f} s  {words}", flush=True)
        if checkpoint is not None and now - saved > CHECKPOINT_SECONDS:
            save(checkpoint, run, facts)
            saved = now
    if checkpoint is not None:
        save(checkpoint, run, facts)


def save(path: Path, run: BrushRun, facts: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"facts": facts, **run.state()}, part)
    part.replace(path)
