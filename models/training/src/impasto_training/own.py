"""A user's own painting: one more style for a network that is there already.

The network stays as it is; only one row of its style table is learned, a scale and a bias after each styled
convolution. That takes minutes on a laptop, and the result is a *style pack* of some tens of kilobytes that the app
shows as one more effect, blendable with all others of the network.

The row begins as the mixture of known styles that comes nearest to the painting, then every number in it is free.
"""

from __future__ import annotations

import hashlib
import json
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from impasto_training import data, export, restore
from impasto_training.batches import Batch, Crops
from impasto_training.data import Content
from impasto_training.distil import learning_rate, perceptual_distance, weighted_terms
from impasto_training.images import resize, save_picture, to_float, to_picture
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import Student
from impasto_training.pack import SCHEMA, THUMBNAIL_QUALITY, THUMBNAIL_SIDE
from impasto_training.recipe import RecipeError, TrainingSettings
from impasto_training.targets import TargetCache, style_key
from impasto_training.teachers.base import SIDE, Teacher
from impasto_training.teachers.registry import teacher as style_teacher

MIXTURE_SHARE = 0.3
"""Share of the steps in which only the mixture of known styles is learned."""

TEACHER = {"method": "arbitrary-style", "smoothing": 0.08, "calm": 0.5, "precision": "float", "side": 288}
"""As for the gallery's paintings."""

HELD_OUT = 4
"""Contents that the row is measured on and never learns from."""

SETTINGS = TrainingSettings(
    crop=192,
    batch=4,
    learning_rate=2e-2,
    weight_l1=4.0,
    weight_lpips=4.0,
    weight_stability=4.0,
    weight_colour=2.0,
    weight_border=0.5,
)
"""A row is a few thousand numbers behind fixed layers: it bears ten times the learning rate of a whole network."""


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    painting: Path
    photos: Path
    name: str
    title: str
    artist: str
    licence: str
    base: Path
    """Folder of the pack whose networks are used."""

    out: Path
    """Folder that gets a folder for the new pack."""

    steps: int
    contents: int


@dataclass(frozen=True)
class Row:
    """One variant's result. `lpips` (and the untouched photo's) are means over the held-out pictures."""

    variant: str
    file: str
    base_sha256: str
    values: bytes
    lpips: float
    lpips_photo: float
    seconds: float


class Painter(torch.nn.Module):
    """A frozen network whose style is the sum of a mixture of its own styles and a free row."""

    def __init__(self, network: Student) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.mixture = torch.nn.Parameter(torch.full((1, network.styles), 1.0 / network.styles))

    def forward(self, looks: Tensor, _style: Tensor) -> Tensor:
        """`[N, 3, H, W]` to its paintings in the one style that is being learned."""
        painted: Tensor = self.network(looks, self.mixture.expand(looks.shape[0], -1))
        return painted

    def free(self) -> list[torch.nn.Parameter]:
        """Turns the mixture into a row of its own and returns its parameters."""
        with torch.no_grad():
            for layer in self.network.convolutions():
                if layer.styled:
                    for name in ("scale", "bias"):
                        row = self.mixture @ getattr(layer, name)
                        setattr(layer, name, torch.nn.Parameter(row))
        self.network.styles = 1
        self.mixture = torch.nn.Parameter(torch.ones(1, 1), requires_grad=False)
        return [
            parameter
            for layer in self.network.convolutions()
            if layer.styled
            for parameter in (layer.scale, layer.bias)
        ]


def _row_bytes(network: Student) -> bytes:
    """The learned row as the style table of an export, float16, lowest byte first."""
    table = restore.arrays(export.to_onnx(network, ["own"]))[restore.TABLE]
    half = table[0].astype("<f2")
    if not np.isfinite(half).all():
        raise RecipeError("the style did not converge (a number left the range of float16); use fewer --steps")
    return bytes(half.tobytes())


def _lpips(painter: Painter | None, cache: TargetCache, held: list[Content], key: str, distance: LpipsSqueeze) -> float:
    """Mean distance to the targets of what the painter makes of the photos; without one, of the photos themselves."""
    distances = []
    with torch.no_grad():
        for content in held:
            photo, target = (
                torch.from_numpy(to_float(cache.read(path)).copy()).permute(2, 0, 1)[None]
                for path in (cache.content_path(content), cache.target_path(content, key))
            )
            distances.append(float(distance(photo if painter is None else painter(photo, photo), target)))
    return fmean(distances)


def learn(
    painter: Painter,
    crops: Crops,
    steps: int,
    distance: LpipsSqueeze,
    label: str,
    settings: TrainingSettings = SETTINGS,
) -> None:
    """Learns the style: first as a mixture, then freely."""
    mixing = round(steps * MIXTURE_SHARE)
    parameters: list[torch.nn.Parameter] = [painter.mixture]
    phases = ((0, mixing, settings.learning_rate), (mixing, steps, settings.learning_rate))
    with tqdm(total=steps, unit="step", desc=label) as progress:
        for phase, (first, last, rate) in enumerate(phases):
            if phase == 1:
                parameters = painter.free()
            optimiser = torch.optim.Adam(parameters, lr=rate)
            for step in range(first, last):
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(step - first, last - first, rate)
                batch: Batch = crops.batch(settings.batch, 1, step)
                terms = weighted_terms(painter, batch, settings, distance)
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(torch.stack(list(terms.values())).sum())
                optimiser.step()
                progress.update()
                progress.set_postfix({name: f"{term.item():.3f}" for name, term in terms.items()}, refresh=False)


def _pack_toml(wish: Wish, rows: list[Row]) -> str:
    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [
        f"schema = {text(SCHEMA)}",
        f"name = {text(wish.name)}",
        'kind = "painting"',
        f"licence = {text(wish.licence)}",
        f"base = {text(wish.base.name)}",
    ]
    for row in rows:
        lines += [
            "",
            "[[variants]]",
            f"id = {text(row.variant)}",
            f"file = {text(row.file)}",
            f"sha256 = {text(hashlib.sha256(row.values).hexdigest())}",
            f"base_sha256 = {text(row.base_sha256)}",
        ]
    lines += [
        "",
        "[[effects]]",
        f"name = {text(wish.name)}",
        f"title = {text(wish.title)}",
        f"artist = {text(wish.artist)}",
        f"thumbnail = {text(wish.name + '.jpg')}",
    ]
    return "\n".join(lines) + "\n"


def make(wish: Wish, data_root: Path, cache_root: Path) -> Path:
    """Paints the targets, learns a row per variant of the base, writes the style pack and returns its folder.

    Raises `RecipeError` with what to do when a picture, folder or pack cannot be used.
    """
    started = time.monotonic()
    manifest = wish.base / "pack.toml"
    if not manifest.is_file():
        raise RecipeError(f"there is no pack at {wish.base}; name its folder with --base")
    if not wish.painting.is_file():
        raise RecipeError(f"there is no picture at {wish.painting}")
    photos = data.scan(wish.photos)
    if len(photos) <= HELD_OUT:
        raise RecipeError(f"{wish.photos} holds {len(photos)} photos; at least {HELD_OUT + 1} are needed, 40 are good")
    contents = data.training_contents(photos, [], wish.contents // 2, 0, 0)[: wish.contents]
    teacher = style_teacher(TEACHER | {"painting": str(wish.painting.resolve())}, data_root)
    key = style_key(**teacher.facts())
    cache = TargetCache(cache_root)
    _paint_targets(teacher, contents, cache, key)
    held, learned = contents[:HELD_OUT], contents[HELD_OUT:]
    distance = perceptual_distance(data_root)
    folder = wish.out / wish.name
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Row] = {}
    for variant in tomllib.loads(manifest.read_text(encoding="utf-8"))["variants"]:
        # Variants that run the same weights share their row.
        known = next((row for row in rows.values() if row.base_sha256 == variant["sha256"]), None)
        id = variant["id"]
        rows[id] = (
            replace(known, variant=id) if known else _row(wish, variant, cache, (held, learned), key, distance, folder)
        )
    (folder / "pack.toml").write_text(_pack_toml(wish, list(rows.values())), encoding="utf-8")
    for row in rows.values():
        print(
            f"{row.variant}: LPIPS-sq on {HELD_OUT} held-out photos {row.lpips:.3f} "
            f"(untouched photo {row.lpips_photo:.3f}), "
            f"{len(row.values) / 1e3:.1f} kB, {row.seconds:.0f} s"
        )
    print(f"{folder} is ready after {time.monotonic() - started:.0f} s; the app shows it as {wish.title!r}")
    return folder


def _row(
    wish: Wish,
    variant: dict[str, str],
    cache: TargetCache,
    contents: tuple[list[Content], list[Content]],
    key: str,
    distance: LpipsSqueeze,
    folder: Path,
) -> Row:
    started = time.monotonic()
    held, learned = contents
    path = wish.base / variant["file"]
    painter = Painter(restore.student(path))
    crops = Crops(cache, learned, [key], SETTINGS.crop)
    learn(painter, crops, wish.steps, distance, f"own {variant['id']}")
    row = Row(
        variant=variant["id"],
        file=f"{variant['id']}.style",
        base_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        values=_row_bytes(painter.network),
        lpips=_lpips(painter, cache, held, key, distance),
        lpips_photo=_lpips(None, cache, held, key, distance),
        seconds=time.monotonic() - started,
    )
    (folder / row.file).write_bytes(row.values)
    _thumbnail(painter, cache, held[0], folder / f"{wish.name}.jpg")
    return row


def _paint_targets(teacher: Teacher, contents: list[Content], cache: TargetCache, key: str) -> None:
    for content in tqdm(contents, unit="target", desc="teach"):
        if not cache.target_path(content, key).exists():
            picture = content.picture(SIDE)
            cache.write(cache.content_path(content), picture)
            cache.write(cache.target_path(content, key), teacher.paint(picture))


def _thumbnail(painter: Painter, cache: TargetCache, content: Content, path: Path) -> None:
    photo = torch.from_numpy(to_float(cache.read(cache.content_path(content))).copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        painted = painter(photo, photo)[0].permute(1, 2, 0).numpy()
    save_picture(resize(to_picture(painted), THUMBNAIL_SIDE, THUMBNAIL_SIDE), path, THUMBNAIL_QUALITY)
