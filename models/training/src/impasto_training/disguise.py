"""Things in front of a face: spectacles, a hand, an object held up. People before a webcam have them; photos seldom do.

They are put into a *content*, so the teacher paints them too and the student learns what they become. Everything is
drawn at twice the size and reduced, with a soft shadow below, from random numbers that a seed decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from impasto_training.faces import Face
from impasto_training.images import FloatPicture, Picture, centre_square, resize, to_float, to_picture

SCALE = 2
"""Masks are drawn this much larger than the picture."""

SPECTACLES_SHARE, HAND_SHARE = 0.6, 0.45
"""How often there are spectacles, and a hand; where there is neither, an object is held up."""

TINTED_SHARE = 0.3
"""How many spectacles are sunglasses."""

EYE_LINE = 0.40
"""Height of the eyes in a face's box, from its top."""

FRAME_COLOURS = ((0.07, 0.06, 0.06), (0.32, 0.18, 0.09), (0.62, 0.52, 0.36), (0.55, 0.08, 0.10), (0.82, 0.83, 0.86))

Mask = npt.NDArray[np.float32]
Draw = Callable[[ImageDraw.ImageDraw], None]


@dataclass(frozen=True)
class _Box:
    """A face's box in pixels of the picture."""

    centre: tuple[float, float]
    width: float
    height: float

    @classmethod
    def of(cls, face: Face | None, side: int) -> _Box:
        """Where no face is found, where portraits have theirs."""
        if face is None:
            return cls((side * 0.5, side * 0.42), side * 0.36, side * 0.46)
        centre = ((face.left + face.right) / 2.0, (face.top + face.bottom) / 2.0)
        return cls(centre, float(face.right - face.left), float(face.bottom - face.top))

    def at(self, across: float, down: float) -> tuple[float, float]:
        """A place by its shares of width and height, from the top left."""
        return self.centre[0] + (across - 0.5) * self.width, self.centre[1] + (down - 0.5) * self.height


def _mask(side: int, draw: Draw) -> Mask:
    """What `draw` fills on a canvas `SCALE` times as large, as coverage `[side, side, 1]`."""
    canvas = Image.new("L", (side * SCALE, side * SCALE))
    draw(ImageDraw.Draw(canvas))
    reduced = canvas.resize((side, side), Image.Resampling.BOX)
    return (np.asarray(reduced, np.float32) / 255.0)[..., None]


def _laid(under: FloatPicture, over: FloatPicture, mask: Mask, shadow: float) -> FloatPicture:
    """`over` on `under` where `mask` says; a soft shadow falls below and to the right."""
    reach = under.shape[0] / 384.0
    cast = ndimage.gaussian_filter(mask, (5.0 * reach, 5.0 * reach, 0.0))
    cast = ndimage.shift(cast, (4.0 * reach, 3.0 * reach, 0.0), order=1, mode="nearest")
    shaded = under * (1.0 - shadow * cast)
    return np.asarray(shaded + (over - shaded) * mask, np.float32)


def _spectacles(picture: FloatPicture, box: _Box, rng: np.random.Generator) -> FloatPicture:
    side = picture.shape[0]
    half = (box.width * rng.uniform(0.16, 0.20), box.height * rng.uniform(0.09, 0.13))
    thickness = max(2.0, box.width * rng.uniform(0.015, 0.04)) * SCALE
    corner = rng.uniform(0.35, 1.0) * min(half) * SCALE
    eyes = [box.at(across, EYE_LINE) for across in (0.29, 0.71)]
    boxes = [
        tuple(SCALE * v for v in (x - half[0], y - half[1], x + half[0], y + half[1] * 1.15)) for x, y in eyes
    ]  # fmt: skip

    def lenses(canvas: ImageDraw.ImageDraw) -> None:
        for corners in boxes:
            canvas.rounded_rectangle(corners, corner, fill=255)

    def frame(canvas: ImageDraw.ImageDraw) -> None:
        for corners in boxes:
            canvas.rounded_rectangle(corners, corner, outline=255, width=round(thickness))
        level = eyes[0][1] * SCALE
        canvas.line([boxes[0][2], level, boxes[1][0], level], fill=255, width=round(thickness))
        for x, end in ((boxes[0][0], box.at(0.0, EYE_LINE)), (boxes[1][2], box.at(1.0, EYE_LINE))):
            canvas.line([x, level, end[0] * SCALE, end[1] * SCALE], fill=255, width=round(thickness))

    tinted = rng.random() < TINTED_SHARE
    opacity = rng.uniform(0.7, 0.95) if tinted else rng.uniform(0.03, 0.12)
    glass = np.asarray([0.08, 0.09, 0.11] if tinted else [0.85, 0.92, 1.0], np.float32)
    glare = np.linspace(0.3 if tinted else 0.1, 0.0, side, dtype=np.float32)[:, None, None]
    picture = _laid(picture, glass + glare, np.asarray(_mask(side, lenses) * opacity, np.float32), 0.0)
    colour = np.asarray(FRAME_COLOURS[rng.integers(len(FRAME_COLOURS))], np.float32)
    return _laid(picture, colour + glare * 0.3, _mask(side, frame), 0.3)


def _hand(picture: FloatPicture, box: _Box, rng: np.random.Generator) -> FloatPicture:
    """A palm and four fingers of the face's own skin, from below, at cheek or chin."""
    side = picture.shape[0]
    left, top = (int(v) for v in box.at(0.3, 0.45))
    right, bottom = (int(v) for v in box.at(0.7, 0.7))
    patch = picture[max(top, 0) : max(bottom, top + 1), max(left, 0) : max(right, left + 1)]
    skin = np.median(patch.reshape(-1, 3), axis=0) if patch.size else np.asarray([0.6, 0.45, 0.35])
    root = np.asarray(box.at(rng.uniform(0.1, 0.9), rng.uniform(1.0, 1.15)))
    angle = rng.uniform(-0.6, 0.6)
    up, across = np.asarray([np.sin(angle), -np.cos(angle)]), np.asarray([np.cos(angle), np.sin(angle)])
    width = box.width * rng.uniform(0.10, 0.13)
    fingers = []
    for index in range(4):
        base = root + across * width * (index - 1.5) * 1.02
        length = box.width * (0.42 - 0.05 * abs(index - 1.4)) * rng.uniform(0.85, 1.1)
        fingers.append((base, base + up * length + across * (index - 1.5) * width * 0.15))

    def capsule(canvas: ImageDraw.ImageDraw, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> None:
        canvas.line([tuple(start * SCALE), tuple(end * SCALE)], fill=255, width=round(width * SCALE))
        for place in (start, end):
            low, high = (place - width / 2.0) * SCALE, (place + width / 2.0) * SCALE
            canvas.ellipse([tuple(low), tuple(high)], fill=255)

    def palm(canvas: ImageDraw.ImageDraw) -> None:
        corners = [root - across * width * 2.1, root + across * width * 2.1]
        wrist = [root + across * width * 1.3 - up * side, root - across * width * 1.3 - up * side]
        canvas.polygon([tuple(corner * SCALE) for corner in (*corners, *wrist)], fill=255)

    def shaded(mask: Mask) -> FloatPicture:
        inner = ndimage.gaussian_filter(mask, (width / 4.0, width / 4.0, 0.0))
        return np.asarray(np.clip(skin * (0.62 + 0.48 * inner), 0.0, 1.0), np.float32)

    mask = _mask(side, palm)
    picture = _laid(picture, shaded(mask), mask, 0.35)
    for start, end in fingers:
        mask = _mask(side, lambda canvas, a=start, b=end: capsule(canvas, a, b))  # type: ignore[misc]
        picture = _laid(picture, shaded(mask), mask, 0.35)
    return picture


def _object(picture: FloatPicture, other: Picture, box: _Box, rng: np.random.Generator) -> FloatPicture:
    """A rounded, turned piece of another photo, over a part of the face or beside it."""
    side = picture.shape[0]
    centre = np.asarray(box.at(rng.uniform(-0.1, 1.1), rng.uniform(0.55, 1.2)))
    half = np.asarray([box.width * rng.uniform(0.18, 0.4), box.height * rng.uniform(0.18, 0.4)])
    angle = rng.uniform(-0.5, 0.5)
    turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rows, columns = np.mgrid[:side, :side]
    local = np.abs(np.stack([columns - centre[0], rows - centre[1]], -1) @ turn) / half
    # A superellipse: from an ellipse to nearly a rectangle.
    power = rng.uniform(2.0, 8.0)
    distance = (local**power).sum(-1, keepdims=True) ** (1.0 / power)
    mask = np.clip((1.0 - distance) * min(half) + 0.5, 0.0, 1.0).astype(np.float32)
    return _laid(picture, to_float(resize(centre_square(other), side, side)), mask, 0.4)


def covered(picture: Picture, face: Face | None, other: Picture, seed: int) -> Picture:
    """The square `picture` with something in front of its `face`; `other` lends an object. Same shape, 8 bits."""
    rng = np.random.default_rng(seed)
    box = _Box.of(face, picture.shape[0])
    spectacles, hand = rng.random() < SPECTACLES_SHARE, rng.random() < HAND_SHARE
    seen = to_float(picture)
    if spectacles:
        seen = _spectacles(seen, box, rng)
    if hand:
        seen = _hand(seen, box, rng)
    if not spectacles and not hand:
        seen = _object(seen, other, box, rng)
    return to_picture(seen)
