"""Finding the face in a portrait with UltraFace RFB-320, so that skin can be measured where skin is.

The network is a small single-shot detector: 4420 boxes on four grids, each with a score. It gets the whole picture,
padded to 4:3, as its grids were made for 320 x 240. Only the best box is wanted here, so nothing is suppressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image

from impasto_training.images import Picture

NETWORK = "nets/ultraface_rfb_320.onnx"
WIDTH, HEIGHT = 320, 240
GRIDS = ((8, (10, 16, 24)), (16, (32, 48)), (32, (64, 96)), (64, (128, 192, 256)))
"""(stride, box sides), both in pixels of the network's input."""

CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
SCORE = 0.7
"""Below this there is no face."""


@dataclass(frozen=True)
class Face:
    """A box in pixels of the picture, and the detector's score 0..1."""

    left: int
    top: int
    right: int
    bottom: int
    score: float


@lru_cache(maxsize=1)
def _priors() -> npt.NDArray[np.float32]:
    """`[4420, 4]`: centre x, centre y, width, height, as shares of the input."""
    rows = []
    for stride, sides in GRIDS:
        for y in range(-(-HEIGHT // stride)):
            for x in range(-(-WIDTH // stride)):
                centre = ((x + 0.5) * stride / WIDTH, (y + 0.5) * stride / HEIGHT)
                rows += [(*centre, side / WIDTH, side / HEIGHT) for side in sides]
    return np.clip(np.asarray(rows, np.float32), 0.0, 1.0)


class FaceFinder:
    """The loaded detector."""

    def __init__(self, data_root: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(data_root / NETWORK), options, providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name

    def find(self, picture: Picture) -> Face | None:
        """The face the detector is surest of, clipped to the picture; none below `SCORE`."""
        height, width = picture.shape[:2]
        scale = min(WIDTH / width, HEIGHT / height)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        padded = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
        padded[: size[1], : size[0]] = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        image = ((padded.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1)[None]
        scores, offsets = self._session.run(None, {self._input: image})
        best = int(scores[0, :, 1].argmax())
        score = float(scores[0, best, 1])
        if score < SCORE:
            return None
        prior, offset = _priors()[best], offsets[0, best]
        centre = prior[:2] + offset[:2] * CENTRE_VARIANCE * prior[2:]
        half = prior[2:] * np.exp(offset[2:] * SIZE_VARIANCE) / 2.0
        pixels = np.asarray([WIDTH, HEIGHT]) / scale
        left, top = np.maximum((centre - half) * pixels, 0.0)
        right, bottom = np.minimum((centre + half) * pixels, (width, height))
        if right - left < 2.0 or bottom - top < 2.0:
            return None
        return Face(int(left), int(top), int(right), int(bottom), score)
