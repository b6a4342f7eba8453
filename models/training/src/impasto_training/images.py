"""Pictures as arrays: reading, resizing, writing.

Everywhere in this package a *picture* is a `uint8` array `[H, W, 3]`, sRGB, and a *float picture* is a `float32`
array of the same shape with values 0..1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Picture = npt.NDArray[np.uint8]
FloatPicture = npt.NDArray[np.float32]


def load_picture(path: Path) -> Picture:
    """Reads a file as sRGB, upright (camera orientation applied)."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def save_picture(picture: Picture, path: Path, quality: int = 92) -> None:
    """Writes a picture; the suffix chooses the format. `quality` counts for JPEG only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=quality, optimize=True)


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Resamples to exactly `width` x `height` (Lanczos, antialiased)."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def centre_square(picture: Picture) -> Picture:
    """The largest centred square."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def to_float(picture: Picture) -> FloatPicture:
    """0..255 to 0..1."""
    return picture.astype(np.float32) / np.float32(255.0)


def to_picture(values: npt.NDArray[np.floating]) -> Picture:
    """0..1 to 0..255, rounded and clamped."""
    return np.clip(np.rint(np.asarray(values) * 255.0), 0, 255).astype(np.uint8)
