"""The brush stage of a variant: from an exported network to one that takes a canvas."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from impasto_training import brush_stage, export
from impasto_training.adopt import with_canvas
from impasto_training.fixture import student
from impasto_training.networks.student import Student
from impasto_training.recipe import Recipe, RecipeError


def painted(network: Student, style: int, canvas: torch.Tensor | None = None) -> torch.Tensor:
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found: torch.Tensor = network(picture, F.one_hot(torch.tensor([style]), network.styles).float(), canvas)
    return found


def test_rows_follow_the_names_and_new_effects_begin_at_the_mean(recipe: Recipe, tmp_path: Path) -> None:
    old = student()
    names = [f"style {place}" for place in range(old.styles)]
    names[-1] = "cold"
    path = tmp_path / "old.onnx"
    export.save(export.to_onnx(old, names), path)
    before = brush_stage.beginning(path, recipe)
    assert before.known == [False, True] and before.student.styles == 2
    assert torch.allclose(painted(before.student, 1), painted(old, old.styles - 1), atol=8e-3)
    layer = next(layer for layer in old.convolutions() if layer.styled)
    ours = next(found for found in before.student.convolutions() if found.name == layer.name)
    assert torch.allclose(ours.scale[0], layer.scale.mean(dim=0), atol=2e-3)
    export.save(export.to_onnx(with_canvas(old), names), path)
    with pytest.raises(RecipeError, match="takes a canvas already"):
        brush_stage.beginning(path, recipe)


def test_training_goes_on_from_what_has_learned_strokes(recipe: Recipe, tmp_path: Path) -> None:
    old = student()
    names = [f"style {place}" for place in range(old.styles)]
    plain, strokes = tmp_path / "plain.onnx", tmp_path / "strokes.onnx"
    export.save(export.to_onnx(old, names), plain)
    trained = with_canvas(old, weight=0.5, seed=9)
    export.save(export.to_onnx(trained, names), strokes)
    canvas = torch.rand(1, trained.architecture.canvas, 16, 24, generator=torch.Generator().manual_seed(2)) * 2.0 - 1.0
    new = brush_stage.beginning(plain, recipe)
    further = brush_stage.beginning(plain, recipe, strokes)
    assert torch.equal(painted(new.student, 0), painted(further.student, 0))
    # The recipe's effects are unknown to the files: every row is the mean.
    with torch.no_grad():
        for layer in trained.convolutions():
            if layer.styled:
                layer.scale[:], layer.bias[:] = layer.scale.mean(dim=0), layer.bias.mean(dim=0)
    assert torch.allclose(painted(further.painter, 0, canvas), painted(trained, 0, canvas), atol=1e-2)
    assert not torch.allclose(painted(new.painter, 0, canvas), painted(trained, 0, canvas), atol=1e-2)
    with pytest.raises(RecipeError, match="with a canvas"):
        brush_stage.beginning(plain, recipe, plain)


def test_what_is_not_a_painting_stays_as_it_was() -> None:
    old = student()
    fresh = with_canvas(old)
    trained = with_canvas(old)
    generator = torch.Generator().manual_seed(8)
    canvas = torch.rand(1, fresh.architecture.canvas, 16, 24, generator=generator) * 2.0 - 1.0
    channels = trained.architecture.canvas
    with torch.no_grad():
        for layer in trained.convolutions():
            # As training with `rows_only` does: the weights behind the canvas, and rows of the paintings.
            if layer.name in ("encoder.0.project", "decoder.2.0.pointwise"):
                columns = layer.conv.weight[:, -channels:]
                columns += 0.3 * torch.randn(columns.shape, generator=generator)
            if layer.styled:
                layer.bias[0] += 0.1
    bold = painted(trained, 0, canvas)
    spoilt = painted(trained, 1)
    brush_stage.keep_others(trained, fresh, torch.tensor([True] + [False] * (old.styles - 1)))
    assert torch.allclose(painted(trained, 1), painted(old, 1), atol=1e-5)
    assert torch.allclose(painted(trained, 0, canvas), bold, atol=1e-5)
    assert not torch.allclose(spoilt, painted(old, 1), atol=1e-3)


def test_a_mixture_lies_between_two_checkpoints(tmp_path: Path) -> None:
    old = student()
    files = [tmp_path / name for name in ("first.pt", "second.pt", "mixed.pt")]
    networks = [with_canvas(old, weight=0.5, seed=seed) for seed in (1, 2)]
    with torch.no_grad():
        for layer in networks[1].convolutions():
            if layer.styled:
                layer.bias += 0.1
    for path, network in zip(files, networks, strict=False):
        state = network.state_dict()
        torch.save({"average": state, "student": state, "begun": state, "step": 3, "seconds": 2.0}, path)
    brush_stage.mix(files[0], files[1], 0.25, files[2])
    mixed = torch.load(files[2], weights_only=True)
    assert (mixed["step"], mixed["seconds"]) == (6, 4.0)
    first, second = (network.state_dict() for network in networks)
    apart = 0.0
    for name, weight in mixed["average"].items():
        if weight.is_floating_point():
            assert torch.allclose(weight, 0.75 * first[name] + 0.25 * second[name], atol=1e-6)
            apart = max(apart, float((weight - first[name]).abs().max()))
    assert apart > 0.02
    smaller = {name: weight[:1] for name, weight in first.items() if weight.ndim}
    torch.save({"average": smaller, "step": 0, "seconds": 0.0}, files[1])
    with pytest.raises(RecipeError, match="not checkpoints of one network"):
        brush_stage.mix(files[0], files[1], 0.5, files[2])
