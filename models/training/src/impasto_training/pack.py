"""A pack: the folder that the app loads, with `pack.toml`, one `.onnx` per variant and one thumbnail per effect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from impasto_training import export
from impasto_training.engine import Engine
from impasto_training.images import FloatPicture, resize, save_picture, to_picture
from impasto_training.networks.student import STRIDE
from impasto_training.recipe import Recipe, VariantSettings

SCHEMA = "impasto.pack/1"
THUMBNAIL_SIDE = 160
THUMBNAIL_QUALITY = 85
THUMBNAIL_BYTES = 12_000


@dataclass(frozen=True)
class PackedVariant:
    """What `pack.toml` says about one network; everything is measured from the file."""

    id: str
    file: str
    sha256: str
    width: int
    height: int
    mmac: float
    params: int
    bytes: int


def command(recipe: Recipe) -> str:
    """What makes the pack again."""
    return f"python -m impasto_training make {recipe.name}"


def describe(variant: VariantSettings, path: Path) -> PackedVariant:
    """Measures an exported file."""
    content = path.read_bytes()
    model = onnx.load_model_from_string(content)
    return PackedVariant(
        id=variant.id,
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        width=variant.width,
        height=variant.height,
        mmac=round(export.multiply_adds(model, variant.width, variant.height) / 1e6, 1),
        params=export.parameters(model),
        bytes=len(content),
    )


def thumbnails(recipe: Recipe, engine: Engine, portrait: FloatPicture, folder: Path) -> None:
    """Paints the portrait in every effect and writes `<effect>.jpg`, each below `THUMBNAIL_BYTES`."""
    for style, effect in enumerate(recipe.effects):
        painted = to_picture(engine.paint(portrait, style))
        small = resize(painted, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        path = folder / f"{effect.name}.jpg"
        quality = THUMBNAIL_QUALITY
        save_picture(small, path, quality)
        while path.stat().st_size > THUMBNAIL_BYTES and quality > 10:
            quality -= 5
            save_picture(small, path, quality)


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(value, ensure_ascii=False)


def pack_toml(recipe: Recipe, variants: Sequence[PackedVariant], credit_lines: Sequence[str]) -> str:
    """The text of `pack.toml`."""
    lines = [
        f"schema = {_text(SCHEMA)}",
        f"name = {_text(recipe.name)}",
        f"kind = {_text(recipe.kind)}",
        f"licence = {_text(recipe.licence)}",
        f"command = {_text(command(recipe))}",
        "credits = [",
        *(f"    {_text(line)}," for line in credit_lines),
        "]",
        f"multiple_of = {STRIDE}",
        "value_range = [0.0, 1.0]",
    ]
    for variant in variants:
        lines += [
            "",
            "[[variants]]",
            f"id = {_text(variant.id)}",
            f"file = {_text(variant.file)}",
            f"sha256 = {_text(variant.sha256)}",
            f"width = {variant.width}",
            f"height = {variant.height}",
            f"pixel_budget = {variant.width * variant.height}",
            f"mmac = {variant.mmac}",
            f"params = {variant.params}",
            f"bytes = {variant.bytes}",
        ]
    for style, effect in enumerate(recipe.effects):
        lines += [
            "",
            "[[effects]]",
            f"name = {_text(effect.name)}",
            f"title = {_text(effect.title)}",
            f"artist = {_text(effect.artist)}",
            f"style = {style}",
            f"thumbnail = {_text(effect.name + '.jpg')}",
        ]
    return "\n".join(lines) + "\n"
