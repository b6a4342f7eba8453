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
from impasto_training.scores import Evaluation, Groups

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


def _scores(evaluation: Evaluation) -> list[str]:
    """One table per effect; what could not be measured is left out."""
    lines = []
    for effect in evaluation.effects:
        worst = Groups.worst(effect.groups.held_out, face=True)
        numbers = {
            "psnr_db": effect.student.psnr,
            "ssim": effect.student.ssim,
            "lpips_sq": effect.student.lpips,
            "lpips_sq_portraits": effect.portraits.lpips,
            "photo_lpips_sq": effect.untouched.lpips,
            "flicker_255": effect.stability.flicker,
            "teacher_flicker_255": effect.teacher_stability.flicker,
            "warping_255": effect.stability.warping,
            "teacher_warping_255": effect.teacher_stability.warping,
            "clip_flicker_255": effect.stability.clips,
            "worst_group": worst[1] if worst else None,
        }
        lines += ["", "[[scores]]", f"effect = {_text(effect.name)}", f"variant = {_text(evaluation.variant)}"]
        lines += [f"{name} = {number:.4g}" for name, number in numbers.items() if number is not None]
    return lines


def pack_toml(
    recipe: Recipe,
    variants: Sequence[PackedVariant],
    credit_lines: Sequence[str],
    evaluations: Sequence[Evaluation] = (),
) -> str:
    """The text of `pack.toml`. Evaluations of other files than those described are left out."""
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
    current = {variant.sha256 for variant in variants}
    for evaluation in evaluations:
        if evaluation.sha256 in current:
            lines += _scores(evaluation)
    return "\n".join(lines) + "\n"
