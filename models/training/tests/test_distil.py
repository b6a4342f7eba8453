from pathlib import Path

import pytest
import torch

from impasto_training import distil
from impasto_training.batches import MAX_SHIFT, Crops
from impasto_training.data import Content
from impasto_training.losses import grid, stability
from impasto_training.recipe import Recipe, RecipeError
from impasto_training.targets import TargetCache

Synthetic = tuple[TargetCache, list[Content], list[str]]


def crops_of(synthetic: Synthetic, crop: int = 64) -> Crops:
    cache, contents, styles = synthetic
    return Crops(cache, contents, styles, crop)


def test_a_batch_is_a_function_of_seed_and_step(synthetic: Synthetic) -> None:
    crops = crops_of(synthetic)
    a, b, other = crops.batch(4, 1, 5), crops.batch(4, 1, 5), crops.batch(4, 1, 6)
    assert torch.equal(a.first, b.first) and torch.equal(a.second, b.second) and torch.equal(a.target, b.target)
    assert not torch.equal(a.first, other.first)


def test_every_style_occurs_in_a_batch(synthetic: Synthetic) -> None:
    assert crops_of(synthetic).batch(4, 1, 0).style.sum(dim=0).tolist() == [2.0, 2.0]


def test_resume_gives_the_identical_result(
    synthetic: Synthetic, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, styles, device = crops_of(synthetic), synthetic[2], torch.device("cpu")
    variant = recipe.variants[0]
    whole = distil.distil(recipe, variant, crops, styles, tmp_path, tmp_path / "whole", device)

    class KilledError(Exception):
        pass

    def die_at_third(self: distil.Run, *arguments: object) -> dict[str, float]:
        if self.step == 3:
            raise KilledError
        return advance(self, *arguments)  # type: ignore[arg-type]

    advance = distil.Run.advance
    monkeypatch.setattr(distil, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(distil.Run, "advance", die_at_third)
    with pytest.raises(KilledError):
        distil.distil(recipe, variant, crops, styles, tmp_path, tmp_path / "halves", device)
    monkeypatch.setattr(distil.Run, "advance", advance)
    halves = distil.distil(recipe, variant, crops, styles, tmp_path, tmp_path / "halves", device)

    one, two = (distil.load_average(path, variant, len(styles))[0].state_dict() for path in (whole, halves))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_checkpoint_of_other_settings_is_refused(synthetic: Synthetic, recipe: Recipe, tmp_path: Path) -> None:
    crops, styles, device = crops_of(synthetic), synthetic[2], torch.device("cpu")
    distil.distil(recipe, recipe.variants[0], crops, styles, tmp_path, tmp_path, device)
    with pytest.raises(RecipeError, match="other settings"):
        distil.distil(recipe, recipe.variants[0], crops, ["other", "styles"], tmp_path, tmp_path, device)


def test_stability_is_zero_for_an_exactly_moved_painting() -> None:
    scene = torch.rand(1, 3, 96 + 2 * MAX_SHIFT, 80 + 2 * MAX_SHIFT)
    dy, dx = 5, -3
    first = scene[:, :, MAX_SHIFT:-MAX_SHIFT, MAX_SHIFT:-MAX_SHIFT]
    second = scene[:, :, MAX_SHIFT + dy : MAX_SHIFT + dy + 96, MAX_SHIFT + dx : MAX_SHIFT + dx + 80]
    assert stability(first, second, torch.tensor([[dy, dx]])) == 0.0
    assert stability(first, second, torch.tensor([[dy, dx + 1]])) > 0.1


def test_grid_sees_period_two_only() -> None:
    target = torch.rand(1, 3, 64, 48)
    checker = (torch.arange(64)[:, None] + torch.arange(48)[None]) % 2 * 0.1
    assert grid(target + checker, target) == pytest.approx(0.05, rel=1e-3)
    assert grid(target + 0.1, target) == pytest.approx(0.0, abs=1e-6)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [distil.learning_rate(step, 1000, 1.0) for step in range(1000)]
    assert rates[0] < 0.02 and max(rates) == pytest.approx(1.0) and rates[-1] < 1e-4
