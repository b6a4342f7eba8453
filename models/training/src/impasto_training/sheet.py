"""Contact sheets for judging by eye: one picture per effect, with the photo, the teacher and each variant in rows.

The pictures are at least `PORTRAITS` portraits whose skin tones are spread as widely as the photos allow, scenes, and a
frame of each clip. Held-out photos come first; what had to be taken from the training part is listed as such in
`contents.txt` beside the sheets, with the estimated tone of every portrait.

A variant paints at its own number of pixels, as it does live, and is then enlarged to the cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from impasto_training import clips
from impasto_training.data import Content, Part, Photo, View
from impasto_training.easel import Easel
from impasto_training.faces import FaceFinder
from impasto_training.images import Picture, resize, to_float, to_picture
from impasto_training.networks.student import STRIDE
from impasto_training.skin import GROUPS, Tone, tone

PORTRAITS = 12
SCENES = 6
CLIPS = 3
CLIP_FRAME = 15
CELL = 288
COLUMNS = 7
LABEL = 16


@dataclass(frozen=True)
class Exhibit:
    """One picture of the sheets, with the line that stands in `contents.txt`."""

    label: str
    picture: Picture
    content: Content | None
    """None for a clip's frame."""


@dataclass(frozen=True)
class Sitter:
    """A portrait with its estimated skin tone."""

    photo: Photo
    tone: Tone | None


def sitters(portraits: Sequence[Photo], finder: FaceFinder) -> list[Sitter]:
    """Every portrait with its tone, in the order given."""
    found = []
    for photo in portraits:
        picture = Content((photo,), View.WHOLE).picture(CELL * 2)
        face = finder.find(picture)
        found.append(Sitter(photo, tone(picture, face) if face else None))
    return found


def spread(candidates: Sequence[Sitter], wanted: int) -> list[Sitter]:
    """`wanted` portraits, dark to light: all groups in turn, held-out ones first within a group.

    Within the training part of a group those come first that lie furthest apart in lightness.
    """
    queues = []
    for group in GROUPS:
        rated = [(s, s.tone.lab[0]) for s in candidates if s.tone is not None and s.tone.group == group]
        held_out = [pair for pair in rated if pair[0].photo.part is Part.VALIDATION]
        others = sorted((pair for pair in rated if pair not in held_out), key=lambda pair: pair[1])
        if len(others) > wanted:
            others = [others[place] for place in np.linspace(0, len(others) - 1, wanted).round().astype(int)]
        # Bit reversal: the ends, the middle, the quarters, ...
        order = sorted(range(len(others)), key=lambda i: int(f"{i:08b}"[::-1], 2))
        queues.append([*held_out, *(others[i] for i in order)])
    chosen: list[tuple[Sitter, float]] = []
    while len(chosen) < wanted and any(queues):
        for queue in queues:
            if queue and len(chosen) < wanted:
                chosen.append(queue.pop(0))
    return [sitter for sitter, _ in sorted(chosen, key=lambda pair: pair[1])]


def exhibits(
    portraits: Sequence[Photo], scenes: Sequence[Photo], clip_folder: Path, finder: FaceFinder, side: int
) -> list[Exhibit]:
    """The pictures `[side, side, 3]` of every sheet, in order."""
    found = []

    def add(photo: Photo, remark: str) -> None:
        content = Content((photo,), View.WHOLE)
        found.append(Exhibit(f"{photo.path.stem}, {remark}{photo.part}", content.picture(side), content))

    for sitter in spread(sitters(portraits, finder), PORTRAITS):
        add(sitter.photo, f"Monk {sitter.tone.monk}, " if sitter.tone else "")
    for photo in sorted(scenes, key=lambda photo: photo.part is not Part.VALIDATION)[:SCENES]:
        add(photo, "")
    for clip in clips.find(clip_folder, CLIPS):
        found += [Exhibit(f"clip {clip.name}", frame, None) for frame in clip.frames(side, CLIP_FRAME, 1)]
    return found


def student(easel: Easel, pixel_budget: int, style: int, exhibit: Exhibit) -> Picture:
    """An exhibit as the variant paints it live, at `pixel_budget` pixels; the exhibit's size comes back."""
    side = max(round(math.sqrt(pixel_budget) / STRIDE), 1) * STRIDE
    small = resize(exhibit.picture, side, side)
    full = exhibit.picture.shape[0]
    return resize(to_picture(easel.paint(to_float(small), style)), full, full)


def compose(shown: Sequence[Exhibit], rows: Sequence[tuple[str, Callable[[Exhibit], Picture]]]) -> Picture:
    """The sheet: blocks of `COLUMNS` pictures; in each block one row for the photo and one per entry of `rows`."""
    blocks = [shown[start : start + COLUMNS] for start in range(0, len(shown), COLUMNS)]
    band = CELL + LABEL
    sheet = Image.new("RGB", (CELL * COLUMNS, band * (1 + len(rows)) * len(blocks)), "white")
    draw = ImageDraw.Draw(sheet)
    for block_index, block in enumerate(blocks):
        for row, (name, paint) in enumerate([("photo", None), *rows]):
            top = band * (block_index * (1 + len(rows)) + row)
            for column, exhibit in enumerate(block):
                picture = exhibit.picture if paint is None else paint(exhibit)
                sheet.paste(Image.fromarray(resize(picture, CELL, CELL)), (column * CELL, top + LABEL))
                text = exhibit.label if paint is None else name
                draw.text((column * CELL + 3, top + 2), text, fill="black")
    return np.asarray(sheet)
