"""How calm a painter is: on a still scene, under exact synthetic camera motion, and on real clips.

- *Flicker*: a picture twice under fresh sensor noise; mean |difference| of the two paintings.
- *Warping error* (after Lai et al. 2018, with the flow known instead of estimated): two views of one picture are cut
  from it by known maps, both resampled in the same way, so that the flow between them is exact to machine precision.
  Each is painted, the second painting is carried back along the flow, and what differs is the error. No noise is added.
  Lai et al. take the mean square over unoccluded pixels; here it is the mean |difference| like everywhere in this
  package, over all pixels whose counterpart lies inside. Nothing is occluded, as the scene is flat.
- *Clips*: successive frames of a real clip, where the clip does not move.

The same is measured on the views themselves (a painter that changes nothing), which shows what resampling and noise
alone amount to; and for warping also on a painting that is moved as a picture (`resampling`): no painter whose lines
are as crisp can have a smaller error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from impasto_training import metrics
from impasto_training.images import FloatPicture, Picture, resize, to_float, to_picture
from impasto_training.scores import Stability

Paint = Callable[[Picture], FloatPicture]
"""A painter: what it makes of a picture, same size."""

PaintMoved = Callable[[Picture, "Motion"], FloatPicture]
"""A painter that is told how the camera has moved, so that it can carry a canvas along."""

NOISE_SIGMA = 2.0 / 255.0
"""Sensor noise: a webcam in ordinary room light."""

MARGIN = 32
"""Pixels by which the source exceeds a view on each side, so that moved views need nothing from outside."""

EDGE = 16
"""Pixels at the border that are left out: there, padding moves with the frame."""

STILL = 3.0 / 255.0
"""How much the smoothed brightness of a clip may change where nothing moves."""

STILL_SIGMA = 2.0
STILL_REACH = 12
"""Pixels around anything that moves which do not count as still: a painter looks at a neighbourhood."""


@dataclass(frozen=True)
class Motion:
    """A camera motion between two frames: shift in pixels, then zoom and turn about the centre."""

    name: str
    down: float
    right: float
    zoom: float
    degrees: float

    def matrix(self) -> npt.NDArray[np.float64]:
        """Linear part of the map from places in the second view to places in the first, both from the centre."""
        angle = math.radians(self.degrees)
        turn = np.asarray([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return turn / self.zoom

    def shift(self) -> npt.NDArray[np.float64]:
        """Constant part of that map."""
        return np.asarray([self.down, self.right])


MOTIONS = (
    Motion("slide", 1.25, 3.5, 1.0, 0.0),
    Motion("zoom", 0.0, 0.0, 1.015, 0.0),
    Motion("turn", 0.0, 0.0, 1.0, 1.0),
)
REST = Motion("rest", 0.25, 0.25, 1.0, 0.0)
"""The first view: off the source's pixels too, so that both views are softened alike."""


def sampled(picture: FloatPicture, places: npt.NDArray[np.float64]) -> FloatPicture:
    """The picture at `places` `[2, H, W]` (row, column), by cubic splines."""
    planes = [ndimage.map_coordinates(picture[..., c], places, order=3, mode="mirror") for c in range(3)]
    return np.stack(planes, axis=-1).astype(np.float32)


def _grid(side: int) -> npt.NDArray[np.float64]:
    """Places of a view's pixels from its centre `[2, side, side]`."""
    line = np.arange(side) - (side - 1) / 2.0
    return np.stack(np.meshgrid(line, line, indexing="ij"))


def _mapped(motion: Motion, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("ij,jhw->ihw", motion.matrix(), places) + motion.shift()[:, None, None])


def view(source: FloatPicture, motion: Motion, side: int) -> Picture:
    """What the camera sees after the motion: `[side, side, 3]` out of a source with `MARGIN` around it."""
    centre = (source.shape[0] - 1) / 2.0
    return to_picture(sampled(source, _mapped(motion, _grid(side)) + centre))


def warping_error(first: FloatPicture, second: FloatPicture, motion: Motion) -> float:
    """Mean |difference| of `first` (at `REST`) and `second` (after `motion`) carried back, of 255."""
    side = first.shape[0]
    centre = (side - 1) / 2.0
    # A pixel of the first view lies at q in the source; the second view shows q where its own map leads there.
    source = _mapped(REST, _grid(side))
    inverse = np.linalg.inv(motion.matrix())
    places = np.einsum("ij,jhw->ihw", inverse, source - motion.shift()[:, None, None]) + centre
    inside = ((places >= EDGE) & (places <= side - 1 - EDGE)).all(axis=0)
    inside[:EDGE] = inside[-EDGE:] = False
    inside[:, :EDGE] = inside[:, -EDGE:] = False
    difference = np.abs(first - np.clip(sampled(second, places), 0.0, 1.0)).mean(axis=-1)
    return float(difference[inside].mean() * 255.0)


def noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    """With fresh sensor noise, in whole steps of 1/255 as a camera gives them."""
    noise = rng.normal(0.0, NOISE_SIGMA, picture.shape)
    return to_picture(to_float(picture) + noise)


def still(frames: Sequence[Picture]) -> npt.NDArray[np.bool_]:
    """Where nothing moves in any of the frames `[H, W]`."""
    light = np.stack([ndimage.gaussian_filter(to_float(frame).mean(axis=-1), STILL_SIGMA) for frame in frames])
    moving = (light.max(axis=0) - light.min(axis=0)) > STILL
    mask = np.asarray(ndimage.distance_transform_edt(~moving) > STILL_REACH)
    mask[:EDGE] = mask[-EDGE:] = False
    mask[:, :EDGE] = mask[:, -EDGE:] = False
    return mask


class Scenes:
    """The pictures of all three tests, made once; every painter is shown the same."""

    def __init__(self, pictures: Sequence[Picture], clips: Sequence[Sequence[Picture]], seed: int) -> None:
        """`pictures` `[side, side, 3]`, at least one; `clips` hold successive frames of the same size."""
        rng = np.random.default_rng(seed)
        self.pairs = [(noisy(picture, rng), noisy(picture, rng)) for picture in pictures]
        self.views: list[list[Picture]] = []
        self.sources: list[FloatPicture] = []
        for picture in pictures:
            side = picture.shape[0]
            source = to_float(resize(picture, side + 2 * MARGIN, side + 2 * MARGIN))
            self.sources.append(source)
            self.views.append([view(source, motion, side) for motion in (REST, *MOTIONS)])
        self.clips = [(frames, still(frames)) for frames in clips if len(frames) > 1]

    def resampling(self, paint: Paint) -> float:
        """Mean warping error of paintings that are themselves moved by the motions: of a painter that moves exactly.

        `paint` gets pictures of `side + 2 MARGIN`.
        """
        errors = []
        for source in self.sources:
            side = source.shape[0] - 2 * MARGIN
            painted = paint(to_picture(source))
            first, *others = (to_float(view(painted, motion, side)) for motion in (REST, *MOTIONS))
            errors += [warping_error(first, other, m) for other, m in zip(others, MOTIONS, strict=True)]
        return fmean(errors)

    def pictures(self) -> list[Picture]:
        """All of them, as `measure` shows them to a painter: the very same objects."""
        paired = [picture for pair in self.pairs for picture in pair]
        viewed = [picture for views in self.views for picture in views]
        filmed = [frame for frames, mask in self.clips if mask.any() for frame in frames]
        return [*paired, *viewed, *filmed]

    def measure(self, paint: Paint, paint_moved: PaintMoved | None = None) -> Stability:
        """All three tests of a painter; `paint_moved` paints the views of a moving camera, where it is given."""
        flickers = [metrics.difference_255(paint(first), paint(second)) for first, second in self.pairs]
        errors = []
        for views in self.views:
            seen = zip(views, (REST, *MOTIONS), strict=True)
            first, *others = (paint(one) if paint_moved is None else paint_moved(one, motion) for one, motion in seen)
            errors.append([warping_error(first, other, m) for other, m in zip(others, MOTIONS, strict=True)])
        changes = []
        for frames, mask in self.clips:
            if not mask.any():
                continue
            painted = [paint(frame) for frame in frames]
            changes.append(fmean(float(np.abs(a - b)[mask].mean() * 255.0) for a, b in pairwise(painted)))
        motions = tuple(fmean(column) for column in zip(*errors, strict=True))
        return Stability(fmean(flickers), motions, fmean(changes) if changes else None)
