"""The teacher for any painting: Magenta's arbitrary image stylisation (Ghiasi et al. 2017), as two TFLite files.

Left alone it turns sensor noise on a flat wall into busy texture, and its up-sampling leaves a grid of period 2 and 4.
A student should learn neither, so the teacher is calmed in three ways:

- the content is smoothed edge-aware (total variation) before it is painted;
- the painting is averaged over four small shifts whose offsets form a Latin square modulo 4, so that every pattern of
  period 2 or 4 along either axis, or along the diagonal with period 2, cancels exactly;
- strokes that follow nothing in the content are taken back (`calmed`).

Much of the restlessness is the 8-bit rounding of the files: with `precision = "float"` the network runs in PyTorch
(`arbitrary_style_port.py`), where noise moves the painting less than half as much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import uniform_filter
from skimage.restoration import denoise_tv_chambolle

from impasto_training.images import FloatPicture, Picture, load_picture, resize, to_float, to_picture
from impasto_training.teachers.arbitrary_style_port import MARGIN, PREDICT_SIDE, SHIFTS, PortedStyle
from impasto_training.teachers.base import SIDE, array, tensor

METHOD = "arbitrary-style"
FOLDER = Path("teachers", "arbitrary_style")
"""Of the two files, in the data folder."""

PRECISIONS = ("int8", "float")
StyleCode = npt.NDArray[np.float32]


class ArbitraryStyle:
    """Paints `SIDE` x `SIDE` pictures in the manner of any painting."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._folder = folder
        self._threads = threads

    @cached_property
    def _predict(self) -> Any:
        return self._interpreter("style_predict.tflite")

    @cached_property
    def _transfer(self) -> Any:
        return self._interpreter("style_transfer.tflite")

    def _interpreter(self, name: str) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(self._folder / name), num_threads=self._threads)
        interpreter.allocate_tensors()
        return interpreter

    def style_code(self, painting: Picture) -> StyleCode:
        """The 100 numbers `[1, 1, 1, 100]` that stand for a painting."""
        picture = to_float(resize(painting, PREDICT_SIDE, PREDICT_SIDE))
        interpreter = self._predict
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        code: StyleCode = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        return code

    def paint_once(self, content: FloatPicture, code: StyleCode) -> FloatPicture:
        """One run of the network. `content` `[SIDE, SIDE, 3]`, 0..1; the same comes back."""
        interpreter = self._transfer
        for detail in interpreter.get_input_details():
            value = content[None] if detail["shape"][-1] == 3 else code
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        painted: FloatPicture = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        return painted

    def paint(self, content: FloatPicture, code: StyleCode) -> Picture:
        """The painting of `content` `[SIDE, SIDE, 3]`, averaged over `SHIFTS`."""
        padded = np.pad(content, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="reflect")
        total = np.zeros((SIDE, SIDE, 3), np.float64)
        weight = np.zeros((SIDE, SIDE, 1), np.float64)
        for down, right in SHIFTS:
            painted = self.paint_once(np.ascontiguousarray(padded[down : down + SIDE, right : right + SIDE]), code)
            # Row r of `painted` belongs to row r + down - MARGIN of the content.
            rows, cols = _overlap(down - MARGIN), _overlap(right - MARGIN)
            total[rows[1], cols[1]] += painted[rows[0], cols[0]]
            weight[rows[1], cols[1]] += 1.0
        return to_picture(total / weight)


def _overlap(offset: int) -> tuple[slice, slice]:
    """Where a line shifted by `offset` meets the unshifted one: (slice of the shifted, slice of the unshifted)."""
    return slice(max(-offset, 0), SIDE - max(offset, 0)), slice(max(offset, 0), SIDE + min(offset, 0))


def smoothed(content: Picture, strength: float) -> FloatPicture:
    """Edge-aware smoothing; `strength` is the total-variation weight (0 keeps the picture, 0.1 is strong)."""
    picture = to_float(content)
    if strength <= 0.0:
        return picture
    calm: FloatPicture = denoise_tv_chambolle(picture, weight=strength, channel_axis=-1).astype(np.float32)
    return calm


CALM_RADIUS = 4
CALM_EPSILON = 0.002
"""Of the guided filter: pixels, and variance of a 0..1 guide that still counts as flat."""


def calmed(painted: Picture, content: Picture, share: float) -> Picture:
    """The painting with `share` (0..1) of what the content does not explain taken out.

    On a textureless wall the teacher's strokes follow nothing that can be seen; a student can only learn their mean,
    which is a weave. A guided filter (He et al. 2013, equations 5 to 8) whose guide is the content's brightness keeps
    the strokes that follow the content and smooths the others; the two are mixed.
    """
    if share <= 0.0:
        return painted
    target = to_float(painted)
    guide: npt.NDArray[np.float32] = to_float(content).mean(axis=2, dtype=np.float32)

    def mean(plane: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = uniform_filter(plane, 2 * CALM_RADIUS + 1, mode="nearest")
        return result

    guide_mean = mean(guide)
    variance = mean(guide * guide) - guide_mean * guide_mean
    explained = np.empty_like(target)
    for channel in range(target.shape[2]):
        plane = target[:, :, channel]
        plane_mean = mean(plane)
        slope = (mean(guide * plane) - guide_mean * plane_mean) / (variance + CALM_EPSILON)
        explained[:, :, channel] = mean(slope) * guide + mean(plane_mean - slope * guide_mean)
    return to_picture(target + share * (explained - target))


@lru_cache(maxsize=1)
def _network(folder: Path) -> ArbitraryStyle:
    """One interpreter for all paintings of a process."""
    return ArbitraryStyle(folder)


@lru_cache(maxsize=2)
def _port(folder: Path, device: torch.device, rounding: bool) -> PortedStyle:
    """One port for all paintings of a process."""
    return PortedStyle(folder, device, rounding)


@dataclass(frozen=True)
class Manner:
    """How a painting is imitated."""

    smoothing: float
    """Total-variation weight, see `smoothed`."""

    calm: float = 0.0
    """Share, see `calmed`."""

    precision: str = "int8"
    """`int8`: the files as they are, only right at `SIDE`. `float`: their weights without the rounding."""

    side: int = SIDE
    """Height and width at which `float` paints; larger means finer strokes. A multiple of 4."""

    looks: int = 1
    """How many slightly noisy copies of the content `float` averages over."""

    def facts(self) -> dict[str, Any]:
        """What a style key depends on; parameters left at their default are not told."""
        facts: dict[str, Any] = {"method": METHOD, "smoothing": self.smoothing}
        for name in ("calm", "precision", "side", "looks"):
            if getattr(self, name) != getattr(Manner, name):
                facts[name] = getattr(self, name)
        return facts


class ArbitraryStyleTeacher:
    """Paints in the manner of one painting, on smoothed content, and calms what it painted."""

    def __init__(self, folder: Path, painting: Path, manner: Manner, device: torch.device) -> None:
        self._folder = folder
        self._painting = painting
        self._manner = manner
        self._device = device

    def facts(self) -> dict[str, Any]:
        """The painting counts by its bytes, so it may be renamed."""
        return self._manner.facts() | {"painting": hashlib.sha256(self._painting.read_bytes()).hexdigest()}

    @cached_property
    def _code(self) -> StyleCode:
        return _network(self._folder).style_code(load_picture(self._painting))

    @cached_property
    def _ported(self) -> PortedStyle:
        return _port(self._folder, self._device, self._manner.precision == "int8")

    @cached_property
    def _ported_code(self) -> torch.Tensor:
        return self._ported.style_code(load_picture(self._painting))

    def paint(self, picture: Picture) -> Picture:
        """The painting of a picture `[SIDE, SIDE, 3]`."""
        return self.paint_all([picture])[0]

    def _paint_original(self, picture: Picture) -> Picture:
        calm = _smoothed_once(picture.tobytes(), self._manner.smoothing)
        return calmed(_network(self._folder).paint(calm, self._code), picture, self._manner.calm)

    def paint_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The paintings of pictures `[SIDE, SIDE, 3]`, in one batch where the port paints."""
        manner = self._manner
        if manner.precision == "int8" and self._device.type == "cpu":
            # The files' own interpreter is the reference, and faster than the port with rounding.
            return [self._paint_original(picture) for picture in pictures]
        with ThreadPoolExecutor() as pool:
            calm = list(pool.map(lambda p: _smoothed_once(p.tobytes(), manner.smoothing), pictures))
            side = None if manner.side == SIDE else manner.side
            painted = self._ported.paint(tensor(calm), self._ported_code, side, manner.looks)
            return list(pool.map(lambda p, q: calmed(p, q, manner.calm), array(painted), pictures))


@lru_cache(maxsize=32)
def _smoothed_once(content: bytes, strength: float) -> FloatPicture:
    """`smoothed`, which many paintings in a row ask for the same contents."""
    return smoothed(np.frombuffer(content, np.uint8).reshape(SIDE, SIDE, 3), strength)
