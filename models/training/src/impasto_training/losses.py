"""What the student is asked for: the teacher's colours as bold as they are, clean borders, calm."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EDGE = 16
"""Pixels at the border that the stability term leaves out: there, zero padding moves with the frame."""

COLOUR_WINDOW = 4
"""Pixels over which colours are averaged before they are compared: strokes may lie elsewhere, their colours may not."""

BORDER = 4
"""Pixels at the border that are looked at a second time: zero padding makes them the hardest."""

FRAME_WINDOWS = (2, 4, 8, 16)
"""Sides in pixels of the squares whose means are compared along the border: lines are narrow, strips are not."""


def colour(painted: Tensor, target: Tensor) -> Tensor:
    """Mean difference of averaged opponent colours, and of how far they spread in each picture.

    Where a teacher's choice of colour cannot be foreseen, the best guess under L1 is a mean, and means are grey. The
    spread (standard deviation of red-green, yellow-blue and luminance over the picture) asks for colours as bold as the
    teacher's. Both arguments `[N, 3, H, W]`.
    """
    ours, theirs = (_opponent(F.avg_pool2d(picture, COLOUR_WINDOW)) for picture in (painted, target))
    spread = (ours.std(dim=(2, 3)) - theirs.std(dim=(2, 3))).abs().mean()
    return F.l1_loss(ours[:, :2], theirs[:, :2]) + spread


def _opponent(picture: Tensor) -> Tensor:
    red, green, blue = picture.unbind(dim=1)
    return torch.stack([red - green, blue - 0.5 * (red + green), (red + green + blue) / 3.0], dim=1)


def border(painted: Tensor, target: Tensor) -> Tensor:
    """Mean |difference| in the outermost `BORDER` pixels. Both arguments `[N, 3, H, W]`."""
    apart = (painted - target).abs()
    sides = (apart[:, :, :BORDER], apart[:, :, -BORDER:], apart[:, :, :, :BORDER], apart[:, :, :, -BORDER:])
    return torch.stack([side.mean() for side in sides]).mean()


def frame(painted: Tensor, reference: Tensor) -> Tensor:
    """How far the outermost pixels differ from those further in, where the reference's do not.

    Compares means over squares of `FRAME_WINDOWS` pixels, so that texture may lie as it likes but no line and no strip
    runs along the border. Both arguments `[N, 3, H, W]`.
    """
    steps = []
    for window in FRAME_WINDOWS:
        ours, theirs = F.avg_pool2d(painted, window), F.avg_pool2d(reference, window)
        for outer, inner in ((0, 1), (-1, -2)):
            for axis in (2, 3):
                step = ours.select(axis, outer) - ours.select(axis, inner).detach()
                steps.append((step - (theirs.select(axis, outer) - theirs.select(axis, inner))).abs().mean())
    return torch.stack(steps).mean()


def stability(first: Tensor, second: Tensor, back: Tensor) -> Tensor:
    """Mean |difference| of two paintings of one scene, the second carried `back` (see `batches.Batch`)."""
    carried = F.grid_sample(second, back, mode="bicubic", padding_mode="border", align_corners=False)
    height, width = second.shape[-2:]
    across, down = back.abs().unbind(dim=-1)
    inside = (across <= 1.0 - 2.0 * EDGE / width) & (down <= 1.0 - 2.0 * EDGE / height)
    inside[:, :EDGE] = inside[:, -EDGE:] = False
    inside[:, :, :EDGE] = inside[:, :, -EDGE:] = False
    apart = (carried - first).abs().mean(dim=1)
    return (apart * inside).sum() / inside.sum().clamp_min(1)
