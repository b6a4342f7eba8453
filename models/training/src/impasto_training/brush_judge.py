"""What the brush stage is judged by: brushwork, calm, and whether the sitter is still there.

Everything is measured on squares of `SIDE` pixels, the canvas at rest and at its full strength, on one device:

- style share by layer (`brushwork.py`), of the trained layers and of two that no loss looks at;
- which painting's Gram matrices lie nearest;
- flicker: a still scene twice under fresh noise; error under motion: two views of one picture, the canvas moved exactly
  with it, the second painting carried back; beside it what resampling alone causes (as in `stability.py`);
- content: distance of deep features (unit length, fire6) to the photo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto_training import canvas
from impasto_training.brushwork import CONTENT_LAYER, STYLE_LAYERS, UNSEEN_LAYERS, chosen, gram, gram_distance
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.scores import Brushwork
from impasto_training.stability import EDGE, MARGIN, MOTIONS, NOISE_SIGMA, REST, Motion

SIDE = 384
LAYERS = (*STYLE_LAYERS, *UNSEEN_LAYERS)

Paint = Callable[[Tensor, Tensor], Tensor]
"""Pictures `[N, 3, H, W]` and canvas `[N, C, H/2, W/2]` to paintings."""


def distances(net: LpipsSqueeze, pictures: Tensor, goal: Sequence[Tensor]) -> Tensor:
    """Gram distances `[N, len(LAYERS)]` of pictures to a painting's matrices."""
    with torch.no_grad():
        layers = chosen(net.taps(pictures), LAYERS)
    return torch.stack(
        [gram_distance(gram(layer), g.expand(len(pictures), -1, -1)) for layer, g in zip(layers, goal, strict=True)], 1
    )


def goal_grams(net: LpipsSqueeze, painting: Tensor) -> list[Tensor]:
    """Matrices `[1, C, C]` of a painting `[1, 3, SIDE, SIDE]` at every layer."""
    with torch.no_grad():
        return [gram(layer) for layer in chosen(net.taps(painting), LAYERS)]


def content_distance(net: LpipsSqueeze, painted: Tensor, photos: Tensor) -> float:
    """Mean squared distance of unit-length deep features."""
    with torch.no_grad():
        ours, theirs = (chosen(net.features(p), (CONTENT_LAYER,))[0] for p in (painted, photos))
    return float((ours - theirs).square().sum(dim=1).mean())


def _map(motion: Motion, device: torch.device) -> tuple[Tensor, Tensor]:
    """(linear, constant) in (x, y), from places in the view to places in the source, from the centres, in pixels."""
    matrix = torch.tensor(motion.matrix(), dtype=torch.float32, device=device).flip(0, 1)
    return matrix, torch.tensor(motion.shift(), dtype=torch.float32, device=device).flip(0)


def _line(side: int, step: float, device: torch.device) -> Tensor:
    return (torch.arange(side, device=device, dtype=torch.float32) - (side - 1) / 2.0) * step


def _grid(side: int, step: float, device: torch.device) -> Tensor:
    line = _line(side, step, device)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)


def _seen(source: Tensor, places: Tensor) -> Tensor:
    """Bicubic samples of square pictures at `places` `[H, W, 2]` from the centre, in pixels."""
    grid = (places * (2.0 / source.shape[-1])).expand(len(source), -1, -1, -1)
    return F.grid_sample(source, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0.0, 1.0)


def _quantised(pictures: Tensor) -> Tensor:
    return (pictures * 255.0).round() / 255.0


class Judge:
    """The pictures, brought to one device."""

    def __init__(self, photos: Tensor, net: LpipsSqueeze, field: Tensor, seed: int = 1) -> None:
        """`photos` `[N, 3, SIDE, SIDE]`, 0..1."""
        self.photos, self.net, self.field = photos, net, field
        self._generator = torch.Generator().manual_seed(seed)
        noise = [torch.randn(photos.shape, generator=self._generator).to(photos.device) * NOISE_SIGMA for _ in range(2)]
        self._pairs = [_quantised((photos + n).clamp(0.0, 1.0)) for n in noise]

    def canvas(self, scale: float, places: Tensor | None = None) -> Tensor:
        """At rest, or where `places` `[H, W, 2]` (pixels of the picture, from its centre) lead."""
        if places is None:
            made = canvas.at_rest(self.field, SIDE, SIDE, scale)
        else:
            made = canvas.sampled(self.field, ((places + SIDE / 2.0 - 1.0) / scale)[None])
        return made.expand(len(self.photos), -1, -1, -1)

    def flicker(self, paint: Paint, scale: float) -> float:
        """See the module."""
        rest = self.canvas(scale)
        first, second = (paint(picture, rest) for picture in self._pairs)
        return float((first - second).abs().mean() * 255.0)

    def motion(self, paint: Paint, scale: float) -> tuple[float, float]:
        """(error under motion, what resampling alone causes)."""
        device = self.photos.device
        whole = SIDE + 2 * MARGIN
        source = F.interpolate(self.photos, (whole, whole), mode="bicubic", align_corners=False).clamp(0.0, 1.0)
        fine, coarse = _grid(SIDE, 1.0, device), _grid(SIDE // 2, 2.0, device)

        def places(motion: Motion, grid: Tensor) -> Tensor:
            linear, constant = _map(motion, device)
            return grid @ linear.T + constant

        def painted(motion: Motion) -> Tensor:
            return paint(_seen(source, places(motion, fine)), self.canvas(scale, places(motion, coarse)))

        wide = canvas.sampled(self.field, ((_grid(whole // 2, 2.0, device) + SIDE / 2.0 - 1.0) / scale)[None])
        still = paint(source, wide.expand(len(source), -1, -1, -1))
        errors: list[float] = []
        floors: list[float] = []
        first, first_floor = painted(REST), _seen(still, places(REST, fine))
        for motion in MOTIONS:
            linear, constant = _map(motion, device)
            back = (places(REST, fine) - constant) @ torch.linalg.inv(linear).T
            inside = (back.abs() <= SIDE / 2.0 - EDGE).all(dim=-1) & (fine.abs() <= SIDE / 2.0 - EDGE).all(dim=-1)
            for found, one, two in (
                (errors, first, painted(motion)),
                (floors, first_floor, _seen(still, places(motion, fine))),
            ):
                apart = (one - _seen(two, back)).abs().mean(dim=1)
                found.append(float(apart[:, inside].mean() * 255.0))
        return sum(errors) / len(errors), sum(floors) / len(floors)

    def effect(
        self, paint: Paint, style: int, goals: Sequence[Sequence[Tensor]], teacher: Sequence[float], scale: float
    ) -> Brushwork:
        """All numbers of the effect that should look like `goals[style]`.

        `teacher` holds the raw teacher's distance by layer, `scale` is the canvas's.
        """
        painted = paint(self.photos, self.canvas(scale))
        all_distances = torch.stack([distances(self.net, painted, goal) for goal in goals])
        ours = all_distances[style].mean(dim=0)
        before = distances(self.net, self.photos, goals[style]).mean(dim=0)
        share = [float((b - o) / (b - t)) for b, o, t in zip(before, ours, teacher, strict=True)]
        nearest = all_distances[:, :, : len(STYLE_LAYERS)].mean(dim=2).argmin(dim=0)
        error, floor = self.motion(paint, scale)
        return Brushwork(
            share=tuple(share[: len(STYLE_LAYERS)]),
            unseen=tuple(share[len(STYLE_LAYERS) :]),
            found=float((nearest == style).float().mean()),
            flicker=self.flicker(paint, scale),
            motion=error,
            resampling=floor,
            content=content_distance(self.net, painted, self.photos),
        )
