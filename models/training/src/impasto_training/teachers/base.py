"""What a teacher is to the rest of the pipeline: it paints square pictures, and says what its answer depends on."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from impasto_training.images import FloatPicture, Picture, to_float, to_picture
from impasto_training.teachers.filters import calm, to_oklab
from impasto_training.teachers.flow import Flow, flow_of

SIDE = 384
"""Height and width of every content and target; the teachers' lengths in pixels are meant at this size."""


class Teacher(Protocol):
    """Something that repaints pictures, always the same way."""

    def facts(self) -> dict[str, Any]:
        """Everything that a painting depends on besides the picture; the style key is its hash."""
        ...

    def paint(self, picture: Picture) -> Picture:
        """The painting of one picture `[SIDE, SIDE, 3]`."""
        ...

    def paint_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The same for many, in one batch where that is faster."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """A teacher that needs something made once, before it paints in several processes."""

    def prepare(self) -> None:
        """Makes it, unless the cache has it."""
        ...


class Scene:
    """What algorithms start from, made once per picture and shared by all that paint it."""

    def __init__(self, rgb: Tensor) -> None:
        self.rgb = rgb
        """SRGB pictures `[N, 3, H, W]`, 0..1."""
        self._flows: dict[float, Flow] = {}

    @cached_property
    def lab(self) -> Tensor:
        """The pictures in Oklab, without sensor noise and pores."""
        return calm(to_oklab(self.rgb))

    def flow(self, sigma: float) -> Flow:
        """Their flow; `sigma` as in `flow_of`."""
        if sigma not in self._flows:
            self._flows[sigma] = flow_of(self.lab, sigma)
        return self._flows[sigma]


class Algorithm(ABC):
    """A teacher written as an algorithm on tensors. Subclasses are dataclasses: their fields are its parameters."""

    METHOD: ClassVar[str]
    """Its name in recipes."""

    VERSION: ClassVar[int]
    """Raised whenever the algorithm changes, so that old targets are not taken for new ones."""

    @abstractmethod
    def render(self, scene: Scene) -> Tensor:
        """Paints the scene's pictures; sRGB `[N, 3, H, W]`, 0..1, comes back."""

    def facts(self) -> dict[str, Any]:
        """Method, version and all parameters, also those left at their default."""
        parameters = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"method": self.METHOD, "version": self.VERSION, **parameters}

    def paint(self, picture: Picture) -> Picture:
        """The painting of one picture, on the CPU."""
        with torch.inference_mode():
            return array(self.render(_scene(picture.tobytes(), picture.shape, torch.device("cpu"))))[0]


class AlgorithmTeacher:
    """An algorithm at work on a device."""

    def __init__(self, algorithm: Algorithm, device: torch.device) -> None:
        self.algorithm = algorithm
        self._device = device

    def facts(self) -> dict[str, Any]:
        """The algorithm's."""
        return self.algorithm.facts()

    def paint(self, picture: Picture) -> Picture:
        """The painting of one picture."""
        return self.paint_all([picture])[0]

    def paint_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The paintings of pictures of one size, in one batch."""
        stacked = np.stack(pictures)
        with torch.inference_mode():
            return array(self.algorithm.render(_scene(stacked.tobytes(), stacked.shape, self._device)))


def tensor(pictures: Sequence[FloatPicture]) -> Tensor:
    """Float pictures of one size as `[N, 3, H, W]`."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2)))


def array(painted: Tensor) -> list[Picture]:
    """`[N, 3, H, W]`, 0..1, as pictures."""
    return [to_picture(one) for one in painted.permute(0, 2, 3, 1).cpu().numpy()]


@lru_cache(maxsize=1)
def _scene(content: bytes, shape: tuple[int, ...], device: torch.device) -> Scene:
    pictures = np.frombuffer(content, np.uint8).reshape(-1, *shape[-3:])
    return Scene(tensor([to_float(picture) for picture in pictures]).to(device))
