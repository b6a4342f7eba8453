"""A user's own painting: one more style for a network that is there already.

The network stays as it is; only one row of its style table is learned, a scale and a bias after each styled
convolution. That takes minutes on a laptop, and the result is a *style pack* of some tens of kilobytes that the app
shows as one more effect, blendable with all others of the network.

The row begins as that of the network's styles that comes nearest to the painting, and learns what the gallery's
paintings learn: the painting's strokes and colours (`brush.py`), with the canvas of the network where it takes one.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto_training import brush_judge, brush_run, canvas, data, export, restore, teach
from impasto_training.brush import Lessons
from impasto_training.brush_critics import Critics
from impasto_training.brush_run import BrushRun
from impasto_training.brush_scenes import Contents
from impasto_training.brushwork import STYLE_LAYERS
from impasto_training.data import Content
from impasto_training.faces import FaceFinder
from impasto_training.images import Picture, centre_square, load_picture, resize, save_picture, to_float, to_picture
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import Student
from impasto_training.pack import SCHEMA, THUMBNAIL_QUALITY, THUMBNAIL_SIDE
from impasto_training.recipe import BrushOfEffect, BrushSettings, EffectSettings, RecipeError
from impasto_training.targets import TargetCache

HELD_OUT = 4
"""Contents that the row is measured on and never learns from."""

SETTINGS = BrushSettings(
    rows_only=True,
    canvas_rate=0.0,
    learning_rate=3e-3,
    weight_mobile=0.5,
    weight_stability=20.0,
    weight_adversary=0.0,
)
"""As for the gallery's paintings, but faster, and without an adversary, which takes longer than this to learn."""

SEED = 1
REPORT_STEPS = 20


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
    scale: float = 1.0
    """Of the canvas: 2 makes strokes twice as large."""


@dataclass(frozen=True)
class Row:
    """One variant's result. Gram distances to the painting are means over held-out pictures and layers."""

    variant: str
    file: str
    base_sha256: str
    values: bytes
    distance: float
    distance_photo: float
    """Of the untouched photos."""

    seconds: float


def only(network: Student, style: int) -> Student:
    """A copy of the network with one of its styles alone, whose row can be trained."""
    one = copy.deepcopy(network)
    one.styles = 1
    for layer in one.convolutions():
        if layer.styled:
            layer.scale = nn.Parameter(layer.scale[style : style + 1].detach().clone())
            layer.bias = nn.Parameter(layer.bias[style : style + 1].detach().clone())
    return one.eval()


@dataclass(frozen=True)
class Yardstick:
    """How far pictures are from the painting."""

    net: LpipsSqueeze
    photos: Tensor
    """Held out, `[N, 3, SIDE, SIDE]`."""

    goal: list[Tensor]

    @torch.no_grad()
    def distance(self, network: Student | None, style: int, field: Tensor, scale: float) -> float:
        """Mean Gram distance of what the network makes of the photos; without one, of the photos themselves."""
        pictures = self.photos if network is None else painted(network, style, self.photos, field, scale)
        found = brush_judge.distances(self.net, pictures, self.goal)[:, : len(STYLE_LAYERS)]
        return float(found.mean())


@torch.no_grad()
def painted(network: Student, style: int, photos: Tensor, field: Tensor, scale: float) -> Tensor:
    """The network's paintings, the canvas at rest."""
    vector = F.one_hot(torch.tensor([style]), network.styles).float()
    noise = canvas.at_rest(field, photos.shape[2], photos.shape[3], scale)
    return torch.cat([network(photo[None], vector, noise) for photo in photos])


def nearest(network: Student, yardstick: Yardstick, field: Tensor, scale: float) -> int:
    """The style whose paintings come nearest to the painting."""
    return min(range(network.styles), key=lambda style: yardstick.distance(network, style, field, scale))


def _row_bytes(network: Student) -> bytes:
    """The learned row as the style table of an export, float16, lowest byte first."""
    table = restore.arrays(export.to_onnx(network, ["own"], half_weights=False))[restore.TABLE]
    half = table[0].astype("<f2")
    if not np.isfinite(half).all():
        raise RecipeError("the style did not converge (a number left the range of float16); use fewer --steps")
    return bytes(half.tobytes())


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
        f"canvas = {{ strength = 1.0, scale = {wish.scale} }}",
    ]
    return "\n".join(lines) + "\n"


def make(wish: Wish, data_root: Path, cache_root: Path) -> Path:
    """Learns a row per variant of the base, writes the style pack and returns its folder.

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
    school = _school(wish, contents, data_root, TargetCache(cache_root))
    folder = wish.out / wish.name
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Row] = {}
    for variant in tomllib.loads(manifest.read_text(encoding="utf-8"))["variants"]:
        # Variants that run the same weights share their row.
        known = next((row for row in rows.values() if row.base_sha256 == variant["sha256"]), None)
        id = variant["id"]
        rows[id] = replace(known, variant=id) if known else _row(wish, variant, school, data_root, folder)
    (folder / "pack.toml").write_text(_pack_toml(wish, list(rows.values())), encoding="utf-8")
    for row in rows.values():
        print(
            f"{row.variant}: Gram distance to the painting on {HELD_OUT} held-out photos {row.distance:.2f} "
            f"(untouched photos {row.distance_photo:.2f}), {len(row.values) / 1e3:.1f} kB, {row.seconds:.0f} s"
        )
    print(f"{folder} is ready after {time.monotonic() - started:.0f} s; the app shows it as {wish.title!r}")
    return folder


@dataclass(frozen=True)
class _School:
    """What all variants learn from."""

    contents: Contents
    critics: Critics
    yardstick: Yardstick
    field: Tensor


def _school(wish: Wish, contents: Sequence[Content], data_root: Path, cache: TargetCache) -> _School:
    finder = FaceFinder(data_root)
    pictures: list[Picture] = [teach.content_picture(content, cache, finder) for content in contents]
    held, learned = pictures[:HELD_OUT], pictures[HELD_OUT:]
    faces = [finder.find(picture) for picture in learned]
    critics = Critics(data_root).requires_grad_(False).eval()
    side = brush_judge.SIDE
    photos, painting = (
        torch.from_numpy(np.stack([to_float(resize(picture, side, side)) for picture in some])).permute(0, 3, 1, 2)
        for some in (held, [centre_square(load_picture(wish.painting))])
    )
    yardstick = Yardstick(critics.squeeze, photos, brush_judge.goal_grams(critics.squeeze, painting))
    weights = [1.0] * len(learned)
    return _School(
        Contents(learned, faces, weights, torch.device("cpu")), critics, yardstick, canvas.as_tensor(canvas.SEED)
    )


def _row(wish: Wish, variant: dict[str, str], school: _School, data_root: Path, folder: Path) -> Row:
    started = time.monotonic()
    path = wish.base / variant["file"]
    network = restore.student(path)
    yardstick, field = school.yardstick, school.field
    student = only(network, nearest(network, yardstick, field, wish.scale))
    effect = EffectSettings(
        name=wish.name,
        title=wish.title,
        kind="painting",
        teacher={"method": "own", "painting": str(wish.painting.resolve())},
        brush=BrushOfEffect(scale=wish.scale),
    )
    before = copy.deepcopy(student).requires_grad_(False)
    cpu = torch.device("cpu")
    lessons = Lessons([effect], SETTINGS, school.critics, before, [False], school.contents, data_root, cpu, SEED)
    run = BrushRun(student, SETTINGS, cpu)
    print(f"own {variant['id']}: {wish.steps} steps", flush=True)
    brush_run.train(run, lessons, school.contents, field, SEED, wish.steps, report=REPORT_STEPS)
    row = Row(
        variant=variant["id"],
        file=f"{variant['id']}.style",
        base_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        values=_row_bytes(run.student),
        distance=yardstick.distance(run.student, 0, field, wish.scale),
        distance_photo=yardstick.distance(None, 0, field, wish.scale),
        seconds=time.monotonic() - started,
    )
    (folder / row.file).write_bytes(row.values)
    thumbnail = painted(run.student, 0, yardstick.photos[:1], field, wish.scale)[0].permute(1, 2, 0).numpy()
    small = resize(to_picture(thumbnail), THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    save_picture(small, folder / f"{wish.name}.jpg", THUMBNAIL_QUALITY)
    return row
