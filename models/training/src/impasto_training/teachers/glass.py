"""Stained glass: saturated panes with light behind them, held by lead, faces painted in grisaille.

Panes are the catchment basins of the gradient of an abstracted picture (watershed: Vincent and Soille 1991), seeded at
calm places, so their borders are the content's edges and a blank wall is one pane. Lead of even width lies on the
borders; thin dark lines (FDoG) are painted on the glass, as the craft does for features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.morphology import h_minima
from skimage.segmentation import watershed
from torch import Tensor

from impasto_training.teachers.base import Algorithm, Scene
from impasto_training.teachers.filters import blend, colour, exposed, gaussian, slope, step, to_rgb
from impasto_training.teachers.flow import along, edges
from impasto_training.teachers.oil import kuwahara


def panes(lab: Tensor, steepness: Tensor, depth: float, apart: float) -> Tensor:
    """Numbers the panes of `[N, 3, H, W]` by the basins of its `steepness` `[N, 1, H, W]`.

    A basin less than `depth` deep joins its neighbour; so do neighbours whose mean colours are closer than `apart`.
    """
    numbered = []
    for picture, steep in zip(lab.cpu().numpy(), steepness[:, 0].cpu().numpy(), strict=True):
        steps = np.round(steep / depth * 4.0).astype(np.int32)
        seeds, _ = ndimage.label(h_minima(steps, 4))
        numbered.append(torch.from_numpy(_merged(picture, watershed(steep, seeds).astype(np.int64), apart)))
    return torch.stack(numbered).unsqueeze(1).to(lab.device)


def _merged(picture: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], apart: float) -> npt.NDArray[np.int64]:
    """Joins touching panes of like colour, the most alike first."""
    count = int(labels.max()) + 1
    areas = np.bincount(labels.ravel(), minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(labels.ravel(), weights=c.ravel(), minlength=count) for c in picture], 1)
    pairs = np.concatenate(
        [
            np.stack([labels[:, 1:].ravel(), labels[:, :-1].ravel()], 1),
            np.stack([labels[1:].ravel(), labels[:-1].ravel()], 1),
        ]
    )
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    owner = np.arange(count)

    def find(pane: int) -> int:
        while owner[pane] != pane:
            owner[pane] = owner[owner[pane]]
            pane = int(owner[pane])
        return pane

    mean = sums / np.maximum(areas, 1.0)[:, None]
    for first, second in pairs[
        np.argsort(np.linalg.norm(mean[pairs[:, 0]] - mean[pairs[:, 1]], axis=1), kind="stable")
    ]:
        one, other = find(int(first)), find(int(second))
        if one == other:
            continue
        difference = np.linalg.norm(sums[one] / areas[one] - sums[other] / areas[other])
        # Splinters join more readily than panes.
        if difference < apart * (1.0 + 40.0 / min(areas[one], areas[other])):
            owner[other] = one
            sums[one] += sums[other]
            areas[one] += areas[other]
    return np.array([find(pane) for pane in range(count)])[labels]


def _pane_means(lab: Tensor, labels: Tensor) -> Tensor:
    means = []
    for picture, number in zip(lab, labels[:, 0], strict=True):
        flat, index = picture.reshape(picture.shape[0], -1), number.reshape(-1)
        count = torch.bincount(index).clamp_min(1)
        total = torch.stack([torch.bincount(index, weights=channel) for channel in flat])
        means.append((total / count)[:, index].reshape(picture.shape))
    return torch.stack(means).to(lab)


def _borders(labels: Tensor) -> Tensor:
    """Distance to the nearest border between panes, pixels."""
    distances = []
    for number in labels[:, 0].cpu().numpy():
        border = np.zeros(number.shape, bool)
        border[:, 1:] |= number[:, 1:] != number[:, :-1]
        border[1:] |= number[1:] != number[:-1]
        distances.append(torch.from_numpy(ndimage.distance_transform_edt(~border).astype(np.float32)))
    return torch.stack(distances).unsqueeze(1).to(labels.device)


@dataclass(frozen=True)
class Glass(Algorithm):
    """Paints with light."""

    METHOD: ClassVar[str] = "glass"
    VERSION: ClassVar[int] = 1

    depth: float = 0.012
    """How much steeper a border must be than the pane it closes, lightness per pixel."""
    apart: float = 0.05
    """Panes closer in colour than this are one, Oklab distance."""
    lead: float = 1.6
    """Half the width of the lead, pixels."""
    saturation: float = 2.1
    """Multiplies the chroma."""

    def render(self, scene: Scene) -> Tensor:
        """Panes, glow, grisaille, lead."""
        lab, flow = scene.lab, scene.flow(3.0)
        smooth = along(kuwahara(kuwahara(lab, flow, 6.0), flow, 5.0), flow, 3.0)
        steepness = slope(gaussian(smooth[:, :1], 1.8))
        steepness = steepness + slope(gaussian(smooth[:, 1:2], 1.8)) + slope(gaussian(smooth[:, 2:], 1.8))
        even = torch.cat([exposed(smooth[:, :1], 0.45, 0.62, 1.2), smooth[:, 1:]], 1)
        labels = panes(even, steepness, self.depth, self.apart)
        distance = gaussian(_borders(labels), 1.2)
        lead = 1.0 - step(distance, self.lead, 0.7)
        pane = _pane_means(even, labels) * 0.6 + even * 0.4
        painted = lab[:, :1] - smooth[:, :1]
        glow = (distance / 16.0).clamp(0.0, 1.0)
        tone = 0.18 + 0.76 * pane[:, :1] + 0.12 * glow + painted
        chroma = pane[:, 1:]
        strength = chroma.square().sum(1, keepdim=True).sqrt()
        chroma = chroma * (self.saturation * (1.0 + 1.0 * (-strength / 0.05).exp()))
        # Grey glass is not made: shadows are cobalt, lights are straw.
        chroma = chroma + torch.cat([tone * 0.0, (tone - 0.64) * 0.34 * (-(strength / 0.03).square()).exp()], 1)
        line = edges(even[:, :1] + 1.6 * painted, flow, width=0.9, length=4.0, faint=0.010, full=0.030)
        black = colour("#0c0b10").to(lab)
        return to_rgb(blend(torch.cat([tone, chroma], 1), black, 1.0 - (1.0 - lead) * (1.0 - line)))
