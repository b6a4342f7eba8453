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

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from impasto_training import brushwork
from impasto_training.brush_critics import VECTORS, WINDOWS, Adversary, Critics
from impasto_training.brush_scenes import Contents, Looks, Window
from impasto_training.brushwork import SAMPLES, STYLE_LAYERS, chosen, gram, gram_distance
from impasto_training.images import load_picture
from impasto_training.losses import colour, frame, stability
from impasto_training.recipe import BrushSettings, EffectSettings

LOW_WINDOW = 16
RIM = 16
"""Pixels along the border in which nobody looks for the painting's brushwork.

The networks pad with zeros, so a student knows where the border is, and would lay a strip there that has what the rest
of the picture lacks.
"""

MEMORY_FORMAT = torch.channels_last
MIXED = False


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

    deep: Tensor
    """`[G * group]`: how much the deepest layer weighs among SqueezeNet's Gram matrices."""

    face: Tensor
    """`[G * group, 1, 1, 1]`: how much more what lies in a face weighs."""


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
        brushes = [self.effects[style].brush for style in layout.styles[:bold]]
        emphasis = torch.tensor([brush.emphasis for brush in brushes])
        deep = torch.tensor([brush.deep for brush in brushes])
        face = self.settings.face_factor * torch.tensor([brush.face for brush in brushes])
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
            deep.to(device),
            face[:, None, None, None].to(device),
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
            styles: list[Tensor] = []
            for wanted, layers in zip(goals.grams, networks, strict=True):
                apart = [gram_distance(gram(layer), goal[sample]) for layer, goal in zip(layers, wanted, strict=True)]
                if not styles:
                    # SqueezeNet's: the last of the layers of either scale is the deepest.
                    depth = len(STYLE_LAYERS)
                    apart[depth - 1 :: depth] = [step.deep * distance for distance in apart[depth - 1 :: depth]]
                styles.append((gain * step.emphasis * torch.stack(apart)).mean())
            sliced = painted.new_zeros(())
            for place, features in enumerate(chosen(taps, STYLE_LAYERS)[:3]):
                mine = _grouped(features.float(), group)[:, :, draws.samples[place]]
                theirs = goals.vectors[place][step.paintings][:, :, draws.vectors[place]]
                sliced = sliced + brushwork.sliced_distance(mine, theirs, draws.directions[place]) / 3.0
            mine = _grouped(brushwork.palette(inner), group)
            theirs = goals.colours[step.paintings][:, :, draws.colour_samples]
            colours = brushwork.sliced_distance(mine, theirs, draws.colour_directions)
            heed = 1.0 + step.face * face
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


def _gradients(picture: Tensor) -> Tensor:
    """Differences `[N, 2, H/2 - 1, W/2 - 1]` of the brightness at half the size, across and down."""
    light = F.avg_pool2d(picture.mean(dim=1, keepdim=True), 2)
    across = light[:, :, :, 1:] - light[:, :, :, :-1]
    down = light[:, :, 1:] - light[:, :, :-1]
    return torch.cat(
        [0.5 * (across[:, :, 1:] + across[:, :, :-1]), 0.5 * (down[:, :, :, 1:] + down[:, :, :, :-1])], dim=1
    )


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
