"""Photos: what is there, which part is held out, and which square *contents* are cut from them.

A photo belongs to the training or the validation part by the hash of its bytes, so the split survives renaming, copying
and additions. A content is one square picture that a teacher paints and that a student learns from. Portraits give two
views (whole and close); a mosaic holds four photos at half size, so that small faces and hard edges occur too; in a
covered portrait something is in front of the face.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np

from impasto_training.disguise import covered
from impasto_training.faces import FaceFinder
from impasto_training.images import Picture, centre_square, load_picture, resize

HELD_OUT_ONE_IN = 10
SUFFIXES = {".jpg", ".jpeg", ".png"}
CLOSE_FRACTION = 0.62
MOSAIC_PHOTOS = 4


class Part(StrEnum):
    """Which side of the split a photo is on."""

    TRAINING = "training"
    VALIDATION = "validation"


class View(StrEnum):
    """How a content is cut from its photos."""

    WHOLE = "whole"
    CLOSE = "close"
    MOSAIC = "mosaic"
    COVERED = "covered"


@dataclass(frozen=True)
class Photo:
    """A file with the hash of its bytes."""

    path: Path
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Photo:
        """Hashes a file."""
        return cls(path, hashlib.sha256(path.read_bytes()).hexdigest())

    @property
    def part(self) -> Part:
        """A fixed tenth is held out."""
        return Part.VALIDATION if int(self.sha256[:8], 16) % HELD_OUT_ONE_IN == 0 else Part.TRAINING


@dataclass(frozen=True)
class Content:
    """A square picture to be painted, described by its photos and its view."""

    photos: tuple[Photo, ...]
    view: View

    @cached_property
    def id(self) -> str:
        """Short and stable: the same bytes and view give the same id."""
        text = "+".join([self.view, *(photo.sha256 for photo in self.photos)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def picture(self, side: int, finder: FaceFinder | None = None) -> Picture:
        """The content as `[side, side, 3]`. `finder` tells a covered portrait where its face is."""
        squares = [centre_square(load_picture(photo.path)) for photo in self.photos]
        if self.view is View.MOSAIC:
            half = side // 2
            quarters = [resize(square, half, half) for square in squares]
            return np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])])
        square = squares[0]
        if self.view is View.COVERED:
            square = resize(square, side, side)
            face = None if finder is None else finder.find(square)
            return covered(square, face, squares[1], int(self.id, 16))
        if self.view is View.CLOSE:
            full = square.shape[0]
            cut = round(full * CLOSE_FRACTION)
            # Faces sit in the upper middle of a portrait.
            top, left = round((full - cut) * 0.3), (full - cut) // 2
            square = square[top : top + cut, left : left + cut]
        return resize(square, side, side)


def scan(folder: Path) -> list[Photo]:
    """All pictures below `folder`, ordered by hash (a fixed order that looks random)."""
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted((Photo.read(path) for path in paths), key=lambda photo: photo.sha256)


def training_contents(
    portraits: Sequence[Photo],
    scenes: Sequence[Photo],
    portrait_count: int,
    scene_count: int,
    mosaic_count: int,
    covered_count: int = 0,
) -> list[Content]:
    """What the student learns from: both views of the portraits, some scenes, mosaics of two and two, covered faces."""
    faces = [photo for photo in portraits if photo.part is Part.TRAINING][:portrait_count]
    places = [photo for photo in scenes if photo.part is Part.TRAINING]
    contents = [Content((face,), view) for face in faces for view in (View.WHOLE, View.CLOSE)]
    contents += [Content((place,), View.WHOLE) for place in places[:scene_count]]
    if faces and places:
        others = places[scene_count:] or places
        for index in range(mosaic_count):
            a, b = faces[2 * index % len(faces)], faces[(2 * index + 1) % len(faces)]
            c, d = others[2 * index % len(others)], others[(2 * index + 1) % len(others)]
            contents.append(Content((a, c, d, b), View.MOSAIC))
        contents += [
            Content((face, others[-1 - index % len(others)]), View.COVERED)
            for index, face in enumerate(faces[:covered_count])
        ]
    return sorted(contents, key=lambda content: content.id)


def validation_contents(portraits: Sequence[Photo], scenes: Sequence[Photo], scene_count: int) -> list[Content]:
    """What no student has seen: every held-out portrait, then the first `scene_count` held-out scenes."""
    faces = [photo for photo in portraits if photo.part is Part.VALIDATION]
    places = [photo for photo in scenes if photo.part is Part.VALIDATION]
    return [Content((photo,), View.WHOLE) for photo in [*faces, *places[:scene_count]]]
