"""How much of a painting's brushwork is in a picture, as numbers that can be trained on and judged by.

- *Gram distance* (Gatys et al. 2016, section 2.2): ||A - B|| over the mean of ||A|| and ||B||, Frobenius, where A and B
  are the means over pixels of the outer products of feature vectors. Blind to where things are.
- *Sliced Wasserstein distance* of feature vectors (Heitz et al. 2021): random projections, sorted, compared. Sees whole
  distributions, where Gram matrices see second moments.
- *Style share* of a layer: (d(photo, painting) - d(painted, painting)) / (d(photo, painting) - d(teacher, painting)), d
  the Gram distance; 0 where only the photo is, 1 where the raw teacher is.
- *Palette*: the same sliced distance on colours averaged over a few pixels.

Features are SqueezeNet's (`networks/squeezenet.py`) and MobileNetV2's (`networks/mobilenet.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from impasto_training.networks.squeezenet import TAPS

STYLE_LAYERS = (0, 4, 7, 12)
"""SqueezeNet modules (as `TAPS`) whose Gram matrices are trained on and reported: conv1, fire3, fire5, fire9."""

UNSEEN_LAYERS = (9, 10)
"""Modules that no loss looks at: fire6 and fire7. Only for judging."""

CONTENT_LAYER = 9

PALETTE_WINDOW = 8
"""Pixels that are averaged before colours are compared."""

PROJECTIONS = 24
SAMPLES = 2304
"""Of a sliced distance: directions, and at most so many vectors of each picture."""


def chosen(taps: Sequence[Tensor], modules: Sequence[int]) -> list[Tensor]:
    """Those of `LpipsSqueeze.taps` that come from these modules."""
    return [taps[TAPS.index(module)] for module in modules]


def gram(features: Tensor) -> Tensor:
    """`[N, C, H, W]` to `[N, C, C]`: means over pixels of products of channels."""
    flat = features.flatten(2).float()
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """`[N, C, C]` twice to `[N]`; 0 for equal matrices, at most 2. The mean norm takes no gradient."""
    apart = ((ours - theirs).square().sum(dim=(1, 2)) + 1e-6).sqrt()
    norms = 0.5 * (ours.detach().square().sum(dim=(1, 2)).sqrt() + theirs.square().sum(dim=(1, 2)).sqrt())
    return apart / norms.clamp_min(1e-6)


def sliced_distance(ours: Tensor, theirs: Tensor, directions: Tensor) -> Tensor:
    """Of sets of as many vectors, `[G, C, M]` twice: mean |difference| of sorted projections over `theirs`' spread.

    `directions` `[C, P]` are unit vectors. Mean over the G sets.
    """
    mine, other = ((vectors.float().transpose(1, 2) @ directions).sort(dim=1).values for vectors in (ours, theirs))
    spread = (other - other.mean(dim=1, keepdim=True)).abs().mean(dim=(1, 2)).detach()
    apart: Tensor = ((mine - other).abs().mean(dim=(1, 2)) / spread.clamp_min(1e-4)).mean()
    return apart


def random_directions(channels: int, generator: Generator, count: int = PROJECTIONS) -> Tensor:
    """`[channels, count]` unit vectors, evenly over the sphere."""
    return F.normalize(torch.randn(channels, count, generator=generator, device=generator.device), dim=0)


def palette(picture: Tensor) -> Tensor:
    """Colours `[N, 3, M]` of pictures `[N, 3, H, W]`, averaged over `PALETTE_WINDOW` pixels."""
    return F.avg_pool2d(picture, PALETTE_WINDOW).flatten(2)


def colour_statistics(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean `[N, 3]` and covariance `[N, 3, 3]` of the colours of pictures `[N, 3, H, W]`."""
    colours = pictures.flatten(2)
    mean = colours.mean(dim=2)
    centred = colours - mean[:, :, None]
    return mean, centred @ centred.transpose(1, 2) / colours.shape[2]


def colour_map(covariance: Tensor, wanted: Tensor, most: float = 2.0) -> Tensor:
    """Linear maps `[N, 3, 3]` that turn colours of one covariance (both `[N, 3, 3]`) into colours of another.

    The linear Monge-Kantorovitch map between Gaussians (Pitie and Kokaram 2007, section 4): of all linear maps that do
    so, the one that moves colours least, so light stays light and hues turn only where they must. No axis is stretched
    by more than `most`.
    """

    def root(matrices: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrices)
        rooted: Tensor = vectors @ torch.diag_embed(values.clamp_min(1e-10).sqrt()) @ vectors.transpose(1, 2)
        return rooted

    half = root(covariance + 1e-4 * torch.eye(3, dtype=covariance.dtype))
    inverse = torch.linalg.inv(half)
    gains, axes = torch.linalg.eigh(inverse @ root(half @ wanted @ half) @ inverse)
    found: Tensor = axes @ torch.diag_embed(gains.clamp(0.0, most)) @ axes.transpose(1, 2)
    return found
