"""An exported network with the canvas that its pack names: how the app paints, effect by effect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from impasto_training import canvas
from impasto_training.engine import Canvas, Engine
from impasto_training.images import FloatPicture, Picture, to_float
from impasto_training.recipe import EffectSettings
from impasto_training.stability import Motion


class Easel:
    """An engine and, for networks that take a canvas, strength and scale of each effect's."""

    def __init__(self, engine: Engine, effects: Sequence[EffectSettings]) -> None:
        self.engine = engine
        self.effects = effects

    @cached_property
    def field(self) -> Tensor:
        """The canvas field, `[C, SIDE, SIDE]`."""
        return canvas.as_tensor(canvas.SEED)

    def canvas(self, style: int, height: int, width: int, motion: Motion | None = None) -> Canvas | None:
        """The canvas of an effect for a picture of `height` x `width`, at rest or carried along with a camera's motion.

        None where the network takes none, or the effect is painted without.
        """
        effect = self.effects[style]
        if not self.engine.canvas_channels or effect.canvas_strength == 0.0:
            return None
        scale = effect.brush.scale
        made = (
            canvas.at_rest(self.field, height, width, scale)
            if motion is None
            else canvas.sampled(self.field, _carried(height, width, motion)[None] / scale)
        )
        return np.asarray(made[0].numpy() * effect.canvas_strength, np.float32)

    def paint(self, picture: FloatPicture, style: int) -> FloatPicture:
        """`[H, W, 3]`, 0..1, sides multiples of 16; the same comes back, painted with the canvas at rest."""
        height, width = picture.shape[:2]
        return self.engine.paint(picture, style, self.canvas(style, height, width))

    def paint_moved(self, picture: Picture, motion: Motion, style: int) -> FloatPicture:
        """A view of a moved camera, painted with the canvas carried along exactly."""
        height, width = picture.shape[:2]
        return self.engine.paint(to_float(picture), style, self.canvas(style, height, width, motion))


def _carried(height: int, width: int, motion: Motion) -> Tensor:
    """Places `[height/2, width/2, 2]` (x, y) on the field of the canvas's pixels, as at rest for no motion."""
    y, x = (torch.arange(n // 2, dtype=torch.float32) * 2.0 + 0.5 - (n - 1) / 2.0 for n in (height, width))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    matrix = torch.tensor(motion.matrix(), dtype=torch.float32)
    shift = torch.tensor(motion.shift(), dtype=torch.float32)
    moved = torch.stack([rows, columns], dim=-1) @ matrix.T + shift
    centre = torch.tensor([(height - 1) / 2.0 - 0.5, (width - 1) / 2.0 - 0.5])
    return (moved + centre).flip(-1)
