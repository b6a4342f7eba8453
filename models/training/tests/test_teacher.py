from pathlib import Path

import numpy as np
import pytest

from impasto_training.images import FloatPicture
from impasto_training.targets import style_key
from impasto_training.teachers.arbitrary_style import (
    ArbitraryStyle,
    ArbitraryStyleTeacher,
    StyleCode,
    calmed,
    smoothed,
)
from impasto_training.teachers.base import SIDE

CODE = np.zeros((1, 1, 1, 100), np.float32)


class Painter(ArbitraryStyle):
    """Returns the content plus a pattern that is fixed to the frame."""

    def __init__(self, pattern: FloatPicture) -> None:
        super().__init__(Path())
        self.pattern = pattern

    def paint_once(self, content: FloatPicture, code: StyleCode) -> FloatPicture:
        return content + self.pattern


def test_shifts_are_undone() -> None:
    content = np.random.default_rng(0).random((SIDE, SIDE, 3), dtype=np.float32)
    painted = Painter(np.zeros((SIDE, SIDE, 3), np.float32)).paint(content, CODE)
    assert np.abs(painted / 255.0 - content).max() < 0.003


def test_grids_of_the_teacher_cancel() -> None:
    rows, cols = np.mgrid[:SIDE, :SIDE]
    flat = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    for wave in (rows % 2, cols % 2, (rows + cols) % 2, rows // 2 % 2, cols // 2 % 2):
        pattern = np.repeat((wave[..., None] - 0.5) * 0.2, 3, axis=2).astype(np.float32)
        inner = Painter(pattern).paint(flat, CODE)[4:-4, 4:-4]
        assert int(inner.max()) - int(inner.min()) <= 1


def test_smoothing_calms_noise_and_keeps_edges() -> None:
    rng = np.random.default_rng(1)
    step = np.zeros((64, 64, 3), np.uint8)
    step[:, 32:] = 200
    noisy = np.clip(step.astype(int) + rng.integers(0, 20, step.shape), 0, 255).astype(np.uint8)
    calm = smoothed(noisy, 0.08)
    assert calm[:, :24].std() < noisy[:, :24].std() / 255.0 / 2
    assert calm[:, 36].mean() - calm[:, 27].mean() > 0.6


def test_the_key_of_a_painting_is_what_it_was(data_root: Path) -> None:
    painting = data_root / "paintings" / "starry_night.jpg"
    teacher = ArbitraryStyleTeacher(data_root / "teachers" / "arbitrary_style", painting, 0.08)
    facts = teacher.facts()
    assert facts.keys() == {"method", "smoothing", "painting"}
    assert style_key(**facts) == "c4dc47d6bf8d0695"


def test_calming_takes_back_what_follows_nothing() -> None:
    """On a flat wall texture shrinks by the share; an edge of the content stays where it is."""
    rng = np.random.default_rng(2)
    content = np.full((SIDE, SIDE, 3), 60, np.uint8)
    content[:, SIDE // 2 :] = 200
    painted = content + rng.integers(-30, 31, content.shape).astype(np.int16)
    calm = calmed(painted.astype(np.uint8), content, 0.5).astype(np.float64)
    wall = slice(40, 120)
    assert calm[wall, wall].std() == pytest.approx(0.5 * painted[wall, wall].std(), rel=0.2)
    step = calm[:, SIDE // 2 + 1].mean() - calm[:, SIDE // 2 - 2].mean()
    assert step > 100.0
    assert np.array_equal(calmed(content, content, 0.0), content)
