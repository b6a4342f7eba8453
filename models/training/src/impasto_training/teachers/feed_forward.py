"""A teacher of our own for one painting: a feed-forward network trained with the perceptual loss.

After Johnson, Alahi and Fei-Fei 2016, with SqueezeNet features in place of VGG's: the painting's Gram matrices at two
scales say what the strokes look like, the photo's deep features say what is where, total variation keeps it clean, and
*jitter* (the same scene, moved by a few pixels and under fresh noise, must give the same painting, moved) keeps it
calm. Trained networks are kept in the cache under a hash of everything they depend on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from impasto_training import data
from impasto_training.images import Picture, load_picture, resize, to_float
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.targets import style_key
from impasto_training.teachers.base import SIDE, array, tensor

METHOD = "feed-forward"
VERSION = 1
CONTENT_TAP = 3
"""Which of SqueezeNet's taps says what is where."""

JITTER_PX = 4
JITTER_NOISE = 3.0 / 255.0
CHECKPOINT_SECONDS = 45.0
MEANS_DECAY = 0.99


@dataclass(frozen=True)
class Settings:
    """How the network is trained; weights multiply their loss terms."""

    width: float = 24
    """Channels of the first layer; the residual blocks have four times as many."""
    steps: float = 4000
    batch: float = 4
    crop: float = 256
    """Height and width of the training pictures, pixels; a multiple of 4."""
    stroke: float = 256
    """Short side that the painting is resized to, pixels: smaller means finer strokes."""
    photos: float = 400
    """How many photos it is trained on, at most."""
    learning_rate: float = 2e-3
    weight_content: float = 2.0
    weight_style: float = 1.0
    weight_variation: float = 1.0
    weight_jitter: float = 10.0
    seed: float = 1


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, padding_mode="reflect"),
        nn.InstanceNorm2d(outputs, affine=True),
    ]


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_layer(channels, channels, 3), nn.ReLU(), *_layer(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.body(x)
        return x + changed


class Network(nn.Module):
    """`[N, 3, H, W]`, 0..1, to its painting; height and width are multiples of 4."""

    def __init__(self, width: int, blocks: int = 5) -> None:
        super().__init__()
        double, most = 2 * width, 4 * width
        self.layers = nn.Sequential(
            *_layer(3, width, 9),
            nn.ReLU(),
            *_layer(width, double, 3, 2),
            nn.ReLU(),
            *_layer(double, most, 3, 2),
            nn.ReLU(),
            *(_Residual(most) for _ in range(blocks)),
            nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
            *_layer(most, double, 3),
            nn.ReLU(),
            nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
            *_layer(double, width, 3),
            nn.ReLU(),
            nn.Conv2d(width, 3, 9, 1, 4, padding_mode="reflect"),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The painting starts from the photo's own colours, so training begins near a picture."""
        start = torch.logit(x.clamp(0.05, 0.95))
        changed: Tensor = self.layers(x)
        return torch.sigmoid(0.5 * start + changed)


def gram(features: Tensor) -> Tensor:
    """`[N, C, H, W]` to the mean products of channels `[N, C, C]`."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


class Perception:
    """The loss of a painting, given the model's Gram matrices."""

    def __init__(self, eyes: LpipsSqueeze, model: Tensor, settings: Settings) -> None:
        self.eyes = eyes
        self.settings = settings
        with torch.no_grad():
            self.model = [[gram(tap) for tap in eyes.taps(look)] for look in self._scales(model)]

    @staticmethod
    def _scales(picture: Tensor) -> list[Tensor]:
        return [picture, F.avg_pool2d(picture, 2)]

    def style(self, painted: Tensor) -> Tensor:
        """Relative squared distance of Gram matrices, mean over taps and scales."""
        terms = []
        for look, wanted in zip(self._scales(painted), self.model, strict=True):
            for tap, target in zip(self.eyes.taps(look), wanted, strict=True):
                terms.append((gram(tap) - target).square().sum((1, 2)).mean() / target.square().sum())
        return torch.stack(terms).mean()

    def content(self, painted: Tensor, photo: Tensor) -> Tensor:
        """Squared distance of unit-length deep features."""
        with torch.no_grad():
            wanted = self.eyes.features(photo)[CONTENT_TAP]
        apart: Tensor = self.eyes.features(painted)[CONTENT_TAP] - wanted
        return apart.square().sum(1).mean()

    def loss(self, network: nn.Module, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Everything, for photos `[N, 3, H, W]`. Randomness comes from `generator`, on the CPU."""
        weights = self.settings
        painted = network(photos)
        down, right = torch.randint(0, JITTER_PX + 1, (2,), generator=generator).tolist()
        noise = torch.randn(photos[:1].shape, generator=generator).to(photos.device) * JITTER_NOISE
        moved = network((torch.roll(photos[:1], (down, right), (2, 3)) + noise).clamp(0.0, 1.0))
        inner = slice(4 * JITTER_PX, -4 * JITTER_PX)
        back = torch.roll(moved, (-down, -right), (2, 3))
        variation = (painted.diff(dim=2)).abs().mean() + (painted.diff(dim=3)).abs().mean()
        total: Tensor = (
            weights.weight_style * self.style(painted)
            + weights.weight_content * self.content(painted, photos)
            + weights.weight_variation * variation
            + weights.weight_jitter * (back - painted[:1])[..., inner, inner].abs().mean()
        )
        return total


def _painting(path: Path, short_side: int, device: torch.device) -> Tensor:
    picture = load_picture(path)
    height, width = picture.shape[:2]
    scale = short_side / min(height, width)
    return tensor([to_float(resize(picture, round(width * scale), round(height * scale)))]).to(device)


def _batch(photos: Sequence[Path], settings: Settings, step: int) -> tuple[Tensor, torch.Generator]:
    """The photos of a step, which depend on the step and the seed alone."""
    seed = int.from_bytes(hashlib.sha256(f"{int(settings.seed)} {step}".encode()).digest()[:6])
    rng = np.random.default_rng(seed)
    crop, crops = int(settings.crop), []
    for path in rng.choice(np.array(photos, dtype=object), int(settings.batch)):
        picture = load_picture(path)
        scale = crop * rng.uniform(1.0, 1.6) / min(picture.shape[:2])
        height, width = (max(crop, round(length * scale)) for length in picture.shape[:2])
        picture = resize(picture, width, height)
        top, left = rng.integers(0, height - crop + 1), rng.integers(0, width - crop + 1)
        picture = picture[top : top + crop, left : left + crop]
        crops.append(to_float(picture[:, ::-1] if rng.random() < 0.5 else picture))
    return tensor(crops), torch.Generator().manual_seed(seed)


def train(
    painting: Path, photos: Sequence[Path], settings: Settings, eyes: LpipsSqueeze, path: Path, device: torch.device
) -> None:
    """Trains a network and stores it at `path`; goes on from the checkpoint beside it, if there is one."""
    torch.manual_seed(int(settings.seed))
    network = Network(int(settings.width)).to(device)
    optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
    steps = int(settings.steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps + 1, pct_start=0.1)
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    checkpoint, first = path.with_suffix(".part"), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        first = int(state.pop("step"))
        for name, part in parts.items():
            part.load_state_dict(state[name])
    perception = Perception(eyes.to(device), _painting(painting, int(settings.stroke), device), settings)
    saved = time.monotonic()
    mean = 0.0
    title = f"teacher {painting.stem}"
    with tqdm(range(first, steps), initial=first, total=steps, unit="step", desc=title) as progress:
        for step in progress:
            pictures, generator = _batch(photos, settings, step)
            loss = perception.loss(network, pictures.to(device), generator)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            now = float(loss.detach())
            mean = now if step == first else MEANS_DECAY * mean + (1.0 - MEANS_DECAY) * now
            progress.set_postfix(loss=f"{mean:.3f}", refresh=False)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _store({"step": step + 1} | {name: part.state_dict() for name, part in parts.items()}, checkpoint)
                saved = time.monotonic()
    _store(network.state_dict(), path)
    checkpoint.unlink(missing_ok=True)


def _store(state: Any, path: Path) -> None:
    """A kill in the middle leaves the former file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".writing")
    torch.save(state, part)
    part.replace(path)


class FeedForwardTeacher:
    """Paints with a network of its own, which `prepare` trains once."""

    def __init__(
        self,
        painting: Path,
        smoothing: float,
        settings: Settings,
        data_root: Path,
        cache_root: Path,
        device: torch.device,
    ) -> None:
        self._painting = painting
        self._smoothing = smoothing
        self._settings = settings
        self._data_root = data_root
        self._cache_root = cache_root
        self._device = device

    @cached_property
    def _photos(self) -> list[data.Photo]:
        """Training photos alone, as many portraits as scenes as long as there are some."""
        folders = [data.scan(self._data_root / "photos" / name) for name in ("portraits", "scenes")]
        kept = [[photo for photo in photos if photo.part is data.Part.TRAINING] for photos in folders]
        most = int(self._settings.photos)
        portraits, scenes = kept[0][: (most + 1) // 2], kept[1]
        return portraits + scenes[: most - len(portraits)]

    @cached_property
    def _network_facts(self) -> dict[str, Any]:
        photos = hashlib.sha256("".join(photo.sha256 for photo in self._photos).encode()).hexdigest()
        painting = hashlib.sha256(self._painting.read_bytes()).hexdigest()
        return {"method": METHOD, "version": VERSION, "painting": painting, "photos": photos} | {
            f"setting_{name}": value for name, value in dataclasses.asdict(self._settings).items()
        }

    def facts(self) -> dict[str, Any]:
        """The painting, the photos and all settings."""
        return self._network_facts | {"smoothing": self._smoothing}

    @property
    def path(self) -> Path:
        """Where the trained network lies."""
        return self._cache_root / "teachers" / f"{style_key(**self._network_facts)}.pt"

    def prepare(self) -> None:
        """Trains the network, if the cache has none; hours on a CPU, minutes on a GPU."""
        if not self.path.exists():
            nets = self._data_root / "nets"
            eyes = LpipsSqueeze(nets / "squeezenet1_1_fp16.npz", nets / "lpips_v0.1_squeeze_heads.pth")
            photos = [photo.path for photo in self._photos]
            train(self._painting, photos, self._settings, eyes, self.path, self._device)

    @cached_property
    def _network(self) -> Network:
        self.prepare()
        network = Network(int(self._settings.width))
        network.load_state_dict(torch.load(self.path, map_location="cpu", weights_only=True))
        return network.to(self._device).eval()

    def paint(self, picture: Picture) -> Picture:
        """The painting of a picture `[SIDE, SIDE, 3]`."""
        return self.paint_all([picture])[0]

    def paint_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The paintings of pictures `[SIDE, SIDE, 3]`, in one batch."""
        from impasto_training.teachers.arbitrary_style import smoothed

        if any(picture.shape[0] % 4 or picture.shape[1] % 4 for picture in pictures):
            raise ValueError(f"height and width must be multiples of 4, as {SIDE} is")
        with torch.inference_mode():
            calm = tensor([smoothed(picture, self._smoothing) for picture in pictures])
            return array(self._network(calm.to(self._device)))
