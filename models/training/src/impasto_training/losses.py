"""What the student is asked for: the teacher's colours, the teacher's look, calm, and no grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EDGE = 16
"""Pixels at the border that the stability term leaves out: there, zero padding moves with the frame."""

GRID_WINDOW = 8
"""Half-resolution pixels over which a pattern of period 2 must persist to count as a grid."""


def grid(painted: Tensor, target: Tensor) -> Tensor:
    """Mean size of the pattern of period 2 in the error that keeps its phase over a window.

    The last step up is a pixel shuffle, whose four sub-pixels may drift apart; on a flat wall the eye sees that at once
    while pixel and feature losses hardly do. Both arguments `[N, 3, H, W]`.
    """
    count, channels, height, width = painted.shape
    phases = F.pixel_unshuffle(painted - target, 2).reshape(count, channels, 4, height // 2, width // 2)
    apart = (phases - phases.mean(dim=2, keepdim=True)).flatten(1, 2)
    return F.avg_pool2d(apart, GRID_WINDOW, GRID_WINDOW // 2).abs().mean()


def stability(first: Tensor, second: Tensor, shifts: Tensor) -> Tensor:
    """Mean |difference| of two paintings of one scene where `second` is moved by `shifts` (see `batches.Batch`)."""
    height, width = first.shape[2:]
    terms = []
    for one, two, (dy, dx) in zip(first, second, shifts.tolist(), strict=True):
        top, bottom = EDGE + max(dy, 0), height - EDGE + min(dy, 0)
        left, right = EDGE + max(dx, 0), width - EDGE + min(dx, 0)
        moved = two[:, top - dy : bottom - dy, left - dx : right - dx]
        terms.append(F.l1_loss(moved, one[:, top:bottom, left:right]))
    return torch.stack(terms).mean()
