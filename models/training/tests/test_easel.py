"""The canvas that a pack's effects are painted on."""

from pathlib import Path

import numpy as np

from impasto_training import canvas, fixture
from impasto_training.easel import Easel
from impasto_training.engine import Engine
from impasto_training.recipe import Recipe
from impasto_training.stability import Motion


def test_a_canvas_at_rest_goes_along_with_a_slide(recipe: Recipe, tmp_path: Path) -> None:
    fixture.write(tmp_path / "t.onnx", canvas=True)
    easel = Easel(Engine(tmp_path / "t.onnx", threads=1), recipe.effects)
    rest = easel.canvas(0, 64, 96)
    still = easel.canvas(0, 64, 96, Motion("still", 0.0, 0.0, 1.0, 0.0))
    slid = easel.canvas(0, 64, 96, Motion("slide", 4.0, 2.0, 1.0, 0.0))
    assert rest is not None and still is not None and slid is not None
    np.testing.assert_allclose(still, rest, atol=1e-4)
    # A view 4 pixels further down and 2 to the right shows what was two and one canvas pixels away.
    np.testing.assert_allclose(slid[:, :-2, :-1], rest[:, 2:, 1:], atol=1e-4)
    assert rest.shape == (canvas.CHANNELS, 32, 48)


def test_algorithms_are_painted_without(recipe: Recipe, tmp_path: Path) -> None:
    fixture.write(tmp_path / "t.onnx", canvas=True)
    fixture.write(tmp_path / "plain.onnx")
    assert Easel(Engine(tmp_path / "t.onnx", threads=1), recipe.effects).canvas(1, 64, 96) is None
    assert Easel(Engine(tmp_path / "plain.onnx", threads=1), recipe.effects).canvas(0, 64, 96) is None
