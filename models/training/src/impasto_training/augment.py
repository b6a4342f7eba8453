"""What a webcam does to a picture: light, colour, softness, sensor noise, compression.

Only the *input* of the student is degraded; the target stays the painting of the clean picture, so the student learns
to see through bad light and noise. All randomness comes from the generator that is passed in, whose device must be the
pictures'.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional as F


def uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    """`[count, 1, 1, 1]`, evenly between `low` and `high`."""
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator, device=generator.device)


def light(
    images: Tensor, generator: Generator, gain: float, gamma: float, tint: float, extent: Tensor | float = 1.0
) -> Tensor:
    """Changes exposure by up to `gain` and gamma by up to `gamma` (ratios, either way), colour balance by `tint`.

    `images` `[N, 3, H, W]`, 0..1; `extent` `[N, 1, 1, 1]`, 0..1, tells how much of that each picture gets at most.
    """
    count = images.shape[0]
    exposure = uniform(count, -1.0, 1.0, generator).mul(math.log(gain)).mul(extent).exp()
    power = uniform(count, -1.0, 1.0, generator).mul(math.log(gamma)).mul(extent).exp()
    balance = 1.0 + extent * tint * (
        2.0 * torch.rand(count, 3, 1, 1, generator=generator, device=generator.device) - 1.0
    )
    return (images.clamp_min(1e-4).pow(power) * exposure * balance).clamp(0.0, 1.0)


def low_light(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Darkens about `share` of the batch to between a quarter and two thirds."""
    count = images.shape[0]
    chosen = (torch.rand(count, 1, 1, 1, generator=generator, device=generator.device) < share).to(images.dtype)
    factor = uniform(count, 0.25, 0.66, generator)
    return images * (1.0 - chosen * (1.0 - factor))


def uneven_light(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Lights about `share` of the batch from one side or from behind, with lamps of other colours.

    A smooth field of gains, at most a factor of 2 either way in brightness and 1.25 in each channel; what it
    overexposes clips, as in a camera.
    """
    count, channels, height, width = images.shape
    brightness = torch.rand(count, 1, 3, 3, generator=generator, device=generator.device) * 2.0 - 1.0
    colour = torch.rand(count, channels, 2, 2, generator=generator, device=generator.device) * 2.0 - 1.0
    size = (height, width)
    field = 0.69 * F.interpolate(brightness, size, mode="bicubic", align_corners=True)
    field = field + 0.22 * F.interpolate(colour, size, mode="bilinear", align_corners=True)
    chosen = (torch.rand(count, 1, 1, 1, generator=generator, device=generator.device) < share).to(images.dtype)
    return (images * (chosen * field).exp()).clamp(0.0, 1.0)


def jpeg(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Sends about `share` of the batch through JPEG with halved colour, quality 30 to 90, as USB cameras do."""
    chosen = torch.rand(images.shape[0], generator=generator) < share
    qualities = torch.randint(30, 91, (images.shape[0],), generator=generator).tolist()
    out = images.clone()
    for index in chosen.nonzero().flatten().tolist():
        pixels = images[index].mul(255.0).round().clamp(0.0, 255.0).byte().permute(1, 2, 0).numpy()
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=qualities[index], subsampling="4:2:0")
        decoded = np.array(Image.open(stream))
        out[index] = torch.from_numpy(decoded).permute(2, 0, 1).to(images.dtype).div(255.0)
    return out


def soften(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Blurs about `share` of the batch like a cheap lens: mixed with its own 3x3 binomial blur."""
    count, channels = images.shape[:2]
    line = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    kernel = (line[:, None] * line[None, :]).expand(channels, 1, 3, 3)
    blurred = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
    chosen = (torch.rand(count, 1, 1, 1, generator=generator, device=generator.device) < share).to(images.dtype)
    return torch.lerp(images, blurred, chosen * uniform(count, 0.3, 1.0, generator))


def sensor_noise(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Adds fresh noise: half per pixel, half in blobs of two pixels as scaled-up and compressed video has it.

    `strength` `[N, 1, 1, 1]` is the standard deviation (of 1) at full brightness; shadows get more.
    """
    count, channels, height, width = images.shape
    fine = torch.randn(images.shape, generator=generator, device=generator.device)
    coarse = torch.randn(
        count, channels, (height + 1) // 2, (width + 1) // 2, generator=generator, device=generator.device
    )
    coarse = F.interpolate(coarse, size=(height, width), mode="nearest")
    luminance = images.mean(dim=1, keepdim=True)
    spread = strength * (1.5 - 0.5 * luminance)
    return (images + spread * (fine + coarse) * 0.7071).clamp(0.0, 1.0)
