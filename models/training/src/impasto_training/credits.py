"""Whom a pack owes thanks: worked out from the files that were really used and the data folder's manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from impasto_training.recipe import Recipe
from impasto_training.teach import Lesson
from impasto_training.teachers import arbitrary_style

MANIFEST = "MANIFEST.tsv"
TEACHER = (
    "teachers/arbitrary_style/style_predict.tflite",
    "teachers/arbitrary_style/style_transfer.tflite",
)
NETWORKS = {
    "nets/mobilenet_v2_1.0_encoder_fp16.npz": "MobileNetV2, start of the encoder",
    "nets/squeezenet1_1_fp16.npz": "SqueezeNet 1.1, perceptual loss",
    "nets/lpips_v0.1_squeeze_heads.pth": "LPIPS v0.1 heads, perceptual loss",
}


@dataclass(frozen=True)
class Origin:
    """Where a file came from."""

    repository: str
    licence: str


def read_manifest(data_root: Path) -> dict[str, Origin]:
    """Path relative to the data folder to origin; empty where there is no manifest."""
    path = data_root / MANIFEST
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    # "owner/name : path @ commit" and "LICENCE (remarks)".
    return {row[0]: Origin(row[1].split(" : ")[0], row[2].split(" (")[0]) for row in rows}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def credits(recipe: Recipe, lesson: Lesson, data_root: Path) -> list[str]:
    """One line per source."""
    manifest = read_manifest(data_root)

    def origin(relative: str) -> Origin:
        return manifest.get(relative, Origin("the user's own files", "not stated"))

    def line(what: str, source: Origin) -> str:
        return f"{what}: {source.repository} ({source.licence})"

    photos = {photo.path for content in lesson.training for photo in content.photos}
    lines = [
        line(_count(number, "photo"), source)
        for source, number in _grouped(origin(str(path.relative_to(data_root))) for path in photos)
    ]
    lines += [
        f"{effect.title} by {effect.artist}: {source.licence}, reproduction from {source.repository}"
        for effect in recipe.effects
        if effect.painting is not None
        for source in [origin(effect.painting)]
    ]
    if any(effect.teacher["method"] == arbitrary_style.METHOD for effect in recipe.effects):
        lines.append(line("Teacher, Magenta arbitrary image stylisation", origin(TEACHER[0])))
    lines += [line(what, origin(relative)) for relative, what in NETWORKS.items()]
    return lines


def _grouped(origins: Iterable[Origin]) -> list[tuple[Origin, int]]:
    counts: dict[Origin, int] = {}
    for one in origins:
        counts[one] = counts.get(one, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].repository))
