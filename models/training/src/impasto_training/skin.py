"""Estimating the skin tone of a portrait on the Monk scale, so that effects can be judged by skin-tone group.

1. `faces.FaceFinder` finds the face.
2. Skin is looked for in an ellipse inside the box: forehead, cheeks, nose; hair, beard and background are rare there.
   Pixels whose hue cannot be skin's go, then the darkest third (eyes, brows, spectacles, shadow), then everything far
   from the median (lips, highlights).
3. The median of what remains, in CIELAB, is compared with the ten swatches of the Monk Skin Tone scale (Monk 2019).

A photo's exposure moves the estimate by a swatch or two, and the scale's lightest swatches are lighter than skin ever
gets in a well-exposed photo. So the estimate is good for groups of tones, not for single ones, and says nothing about a
person. A monochrome photo has no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab

from impasto_training.faces import Face
from impasto_training.images import Picture, to_float

SWATCHES = (
    *("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96"),
    *("a07e56", "825c43", "604134", "3a312a", "292420"),
)
"""Monk tones 1 to 10 in sRGB (skintone.google, CC BY 4.0)."""

GROUPS = {"1-3": range(1, 4), "4-6": range(4, 7), "7-10": range(7, 11)}

ELLIPSE = (0.36, 0.36)
"""Half axes of the region that is looked at, as shares of the face's width and height."""

HUES = (10.0, 95.0)
"""Degrees in the a*b* plane between which skin lies under any usual light."""

LEAST_CHROMA = 4.0
LEAST_SKIN = 0.2
"""Share of the ellipse that must look like skin."""

SHADED = 1.0 / 3.0
"""Share of the skin, from the dark end, that is left out."""


@dataclass(frozen=True)
class Tone:
    """The median colour of the skin (CIELAB, D65) and the Monk tone 1..10 whose swatch is nearest."""

    monk: int
    lab: tuple[float, float, float]

    @property
    def group(self) -> str:
        """The group of `GROUPS` that the tone is in."""
        return next(name for name, tones in GROUPS.items() if self.monk in tones)


def swatches() -> npt.NDArray[np.float64]:
    """The Monk scale `[10, 3]` in CIELAB."""
    values = [[int(swatch[i : i + 2], 16) / 255.0 for i in (0, 2, 4)] for swatch in SWATCHES]
    return np.asarray(rgb2lab(np.asarray([values]))[0])


def tone(picture: Picture, face: Face) -> Tone | None:
    """The skin tone of a face; none where too little of it has a colour that skin can have."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    across = (columns - (face.left + face.right) / 2.0) / (ELLIPSE[0] * (face.right - face.left))
    down = (rows - (face.top + face.bottom) / 2.0) / (ELLIPSE[1] * (face.bottom - face.top))
    lab = np.asarray(rgb2lab(to_float(picture[across**2 + down**2 < 1.0])[None])[0], np.float64)
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    skin = lab[(np.hypot(lab[:, 1], lab[:, 2]) > LEAST_CHROMA) & (hue > HUES[0]) & (hue < HUES[1])]
    if not len(lab) or len(skin) < LEAST_SKIN * len(lab):
        return None
    skin = skin[skin[:, 0] >= np.quantile(skin[:, 0], SHADED)]
    away = np.abs(skin - np.median(skin, axis=0))
    # 1.48 times the median deviation is a normal distribution's sigma.
    skin = skin[(away < 1.5 * (1.48 * np.median(away, axis=0) + 2.0)).all(axis=1)]
    colour = np.median(skin, axis=0)
    nearest = int(np.linalg.norm(swatches() - colour, axis=1).argmin())
    return Tone(nearest + 1, (float(colour[0]), float(colour[1]), float(colour[2])))
