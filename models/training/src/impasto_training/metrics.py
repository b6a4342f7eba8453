"""Numbers for pictures. All take float pictures `[H, W, 3]`, 0..1, unless they say otherwise."""

from __future__ import annotations

import math

import numpy as np
import torch
from skimage.metrics import structural_similarity

from impasto_training.images import FloatPicture
from impasto_training.networks.squeezenet import LpipsSqueeze


def psnr(a: FloatPicture, b: FloatPicture) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    error = float(np.mean(np.square(a.astype(np.float64) - b)))
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


def ssim(a: FloatPicture, b: FloatPicture) -> float:
    """Structural similarity with a Gaussian window of sigma 1.5 (Wang et al. 2004)."""
    return float(
        structural_similarity(
            a, b, data_range=1.0, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


class Perceived:
    """A picture as LPIPS sees it, kept so that several others can be compared with it."""

    def __init__(self, picture: FloatPicture, distance: LpipsSqueeze) -> None:
        self._distance = distance
        with torch.no_grad():
            self._features = distance.features(_batch(picture))

    def lpips(self, other: FloatPicture) -> float:
        """LPIPS v0.1 on this package's SqueezeNet; 0 for equal pictures."""
        with torch.no_grad():
            return float(self._distance.between(self._distance.features(_batch(other)), self._features).item())


def lpips_sq(a: FloatPicture, b: FloatPicture, distance: LpipsSqueeze) -> float:
    """LPIPS v0.1 on this package's SqueezeNet; 0 for equal pictures."""
    return Perceived(b, distance).lpips(a)


def difference_255(a: FloatPicture, b: FloatPicture) -> float:
    """Mean |difference| in steps of 1/255."""
    return float(np.mean(np.abs(a - b)) * 255.0)


def colour_spread(picture: FloatPicture) -> float:
    """Standard deviation in the plane of the opponent colours red-green and yellow-blue; 0 for a monochrome picture.

    The first part of the colourfulness of Hasler and Suesstrunk 2003: small where everything has one tint.
    """
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    return float(math.hypot(np.std(red - green), np.std((red + green) / 2.0 - blue)))


def _batch(picture: FloatPicture) -> torch.Tensor:
    """`[1, 3, H, W]` with channels last, which is twice as fast on a CPU."""
    batch = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    return batch.contiguous(memory_format=torch.channels_last)
