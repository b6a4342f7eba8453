import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from impasto_training import distil
from impasto_training.adopt import adopt
from impasto_training.balance import group_weights
from impasto_training.batches import MARGIN, Crops, places, resampled
from impasto_training.data import Content
from impasto_training.losses import border, colour, stability
from impasto_training.networks.student import ARCHITECTURES, Student
from impasto_training.prune import narrowed
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
    crop = 96
    scene = torch.rand(1, 3, crop + 2 * MARGIN, crop + 2 * MARGIN)
    first = scene[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    still, jump = torch.eye(2)[None], torch.tensor([[[5.0], [-3.0]]])
    second = resampled(scene, still, jump, crop)
    torch.testing.assert_close(second, scene[:, :, MARGIN - 3 : MARGIN - 3 + crop, MARGIN + 5 : MARGIN + 5 + crop])
    assert stability(first, second, places(still, -jump, crop, crop)) < 1e-4
    assert stability(first, second, places(still, -jump + 1.0, crop, crop)) > 0.1


def test_a_smooth_scene_is_carried_back_through_turn_and_zoom() -> None:
    crop = 96
    line = torch.linspace(0.0, 6.0, crop + 2 * MARGIN)
    scene = (0.5 + 0.4 * torch.sin(line)[:, None] * torch.cos(line)[None]).expand(1, 3, -1, -1)
    linear = torch.tensor([[[1.02, -0.02], [0.02, 1.02]]])
    shift = torch.tensor([[[1.3], [-0.6]]])
    second = resampled(scene, linear, shift, crop)
    inverse = torch.linalg.inv(linear)
    first = scene[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert stability(first, second, places(inverse, -(inverse @ shift), crop, crop)) < 1e-3
    assert stability(first, second, places(torch.eye(2)[None], torch.zeros(1, 2, 1), crop, crop)) > 0.01


def test_rare_tones_are_drawn_more_often() -> None:
    groups = ["4-6"] * 8 + ["7-10"] * 2 + [None] * 5
    alike, half, even = (group_weights(groups, balance) for balance in (0.0, 0.5, 1.0))
    assert alike == pytest.approx([1.0] * 15)
    assert half[9] / half[0] == pytest.approx(2.0)
    assert sum(even[:8]) == pytest.approx(sum(even[8:10]))
    assert sum(half) == pytest.approx(15.0)


def test_colour_sees_hue_and_boldness_but_not_brightness() -> None:
    target = torch.rand(1, 3, 64, 48)
    assert colour(target, target) == 0.0
    assert colour(target + 0.1, target) == pytest.approx(0.0, abs=1e-6)
    grey = target.mean(dim=1, keepdim=True).expand_as(target)
    assert colour(grey, target) > 0.02


def test_border_sees_the_border_only() -> None:
    target = torch.rand(1, 3, 32, 48)
    inside, outside = target.clone(), target.clone()
    inside[:, :, 8:-8, 8:-8] += 1.0
    outside[:, :, :2] += 1.0
    assert border(inside, target) == 0.0 and border(outside, target) > 0.1


def test_adopting_keeps_known_styles_and_begins_new_ones_at_their_mean(
    synthetic: Synthetic, recipe: Recipe, tmp_path: Path
) -> None:
    variant = recipe.variants[0]
    path = distil.distil(recipe, variant, crops_of(synthetic), synthetic[2], tmp_path, tmp_path, torch.device("cpu"))
    before, _ = distil.load_average(path, variant, 2)
    after = distil.build_student(variant, 3, 0)
    adopt(after, path, ["new", *(effect.name for effect in reversed(recipe.effects))])
    expected = before.head.scale.flip(0)
    assert torch.equal(after.head.scale[1:], expected)
    torch.testing.assert_close(after.head.scale[0], expected.mean(dim=0))


def test_pruning_dead_channels_changes_nothing() -> None:
    torch.manual_seed(5)
    student = Student(ARCHITECTURES["tiny"], 2).eval()
    block = "encoder.3"
    dead = [1, 4, 5, 10, 12, 13, 14, 15]
    state = student.state_dict()
    state[f"{block}.project.conv.weight"][:, dead] = 0.0
    smaller = replace(ARCHITECTURES["tiny"].encoder[3], expanded=8)
    encoder = ARCHITECTURES["tiny"].encoder
    other = Student(replace(ARCHITECTURES["tiny"], encoder=(*encoder[:3], smaller, *encoder[4:])), 2).eval()
    other.load_state_dict(narrowed(state, block, 8))
    image, style = torch.rand(1, 3, 32, 48), torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        torch.testing.assert_close(other(image, style), student(image, style))


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [distil.learning_rate(step, 1000, 1.0) for step in range(1000)]
    assert rates[0] < 0.02 and max(rates) == pytest.approx(1.0) and rates[-1] < 1e-4


def test_two_processes_learn_together(tmp_path: Path) -> None:
    """Two CPU processes of `torchrun` end with one set of weights that both agree on."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(__file__).with_name("two_processes.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [*command, str(script), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in tmp_path.glob("agrees-*")) == ["agrees-0", "agrees-1"]


def test_frame_sees_a_line_along_the_border_and_no_texture() -> None:
    from impasto_training.losses import frame

    reference = torch.full((1, 3, 32, 32), 0.5)
    lined = reference.clone()
    lined[:, :, :2] = 0.2
    texture = reference + 0.2 * (torch.arange(32) % 2 - 0.5)
    assert float(frame(reference, reference)) == 0.0
    assert float(frame(lined, reference)) > 5.0 * float(frame(texture, reference))
    strip = reference.clone()
    strip[:, :, -12:] = 0.0
    # Squares of 2 and 4 pixels lie within the strip with their neighbours: larger ones do not.
    assert float(frame(strip, reference)) > 5.0 * float(frame(texture, reference))
