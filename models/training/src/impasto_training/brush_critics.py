"""The judges of the brush stage: two fixed networks that have seen the paintings, and one that learns to tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from impasto_training import brushwork
from impasto_training.brushwork import STYLE_LAYERS, chosen, gram
from impasto_training.images import Picture, resize, to_float
from impasto_training.networks.mobilenet import MobileNetFeatures
from impasto_training.networks.squeezenet import LpipsSqueeze


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
