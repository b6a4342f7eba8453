"""The brush stage: its losses, its looks, and a few steps on the CPU."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from impasto_training import brush, brush_critics, brush_run, brush_scenes, brushwork, canvas
from impasto_training.adopt import with_canvas
from impasto_training.brush import Layout
from impasto_training.brush_scenes import Contents
from impasto_training.fixture import student
from impasto_training.networks.mobilenet import MobileNetFeatures
from impasto_training.recipe import BrushOfEffect, BrushSettings, EffectSettings

CROP = 64


@pytest.fixture(autouse=True)
def _narrow_rim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brush, "RIM", 8)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_gram_distance_is_zero_for_equal_textures_wherever_they_lie() -> None:
    features = torch.rand(2, 5, 12, 9, generator=generator())
    ours, moved = brushwork.gram(features), brushwork.gram(features.roll((3, 4), dims=(2, 3)))
    assert torch.allclose(brushwork.gram_distance(ours, moved), torch.zeros(2), atol=2e-3)
    assert (brushwork.gram_distance(ours, brushwork.gram(features * 2.0)) > 0.5).all()


def test_sliced_distance_sees_distributions_and_not_order() -> None:
    vectors = torch.rand(3, 4, 50, generator=generator())
    directions = brushwork.random_directions(4, generator())
    shuffled = vectors[:, :, torch.randperm(50, generator=generator())]
    assert float(brushwork.sliced_distance(shuffled, vectors, directions)) == pytest.approx(0.0, abs=1e-6)
    # Same mean and covariance, other distribution: Gram matrices cannot tell these apart.
    two = torch.tensor([-1.0, 1.0]).repeat(2000)[None, None]
    normal = torch.randn(1, 1, 4000, generator=generator())
    assert float(brushwork.sliced_distance(two, normal, torch.ones(1, 1))) > 0.2


def test_colour_map_gives_the_wanted_covariance() -> None:
    mixing = torch.tensor([[0.2, 0.05, 0.0], [0.0, 0.15, 0.05], [0.0, 0.0, 0.1]])
    wanted = mixing @ mixing.T
    colours = torch.rand(1, 3, 4000, generator=generator()) * 0.5
    centred = colours - colours.mean(dim=2, keepdim=True)
    covariance = centred @ centred.transpose(1, 2) / 4000
    moved = brushwork.colour_map(covariance, wanted[None]) @ centred
    assert torch.allclose(moved[0] @ moved[0].T / 4000, wanted, atol=2e-3)
    flat = brushwork.colour_map(torch.zeros(1, 3, 3), wanted[None], most=2.0)
    assert float(torch.linalg.matrix_norm(flat, ord=2)) <= 2.0 + 1e-4


def test_mobilenet_features_halve_four_times(tmp_path) -> None:  # type: ignore[no-untyped-def]
    widths = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64)
    arrays = {"stem.weight": np.zeros((32, 3, 3, 3), np.float16), "stem.bias": np.ones(32, np.float16)}
    inputs = 32
    for block, outputs in enumerate(widths):
        hidden = inputs if block == 0 else inputs * 6
        shapes = {"depthwise": (hidden, 1, 3, 3), "project": (outputs, hidden, 1, 1)}
        if block:
            shapes["expand"] = (hidden, inputs, 1, 1)
        for part, shape in shapes.items():
            arrays[f"block{block}.{part}.weight"] = np.full(shape, 0.01, np.float16)
            arrays[f"block{block}.{part}.bias"] = np.zeros(shape[0], np.float16)
        inputs = outputs
    np.savez(tmp_path / "net.npz", **arrays)
    found = MobileNetFeatures(tmp_path / "net.npz")(torch.rand(1, 3, 64, 96))
    assert [tuple(layer.shape[1:]) for layer in found] == [(16, 32, 48), (24, 16, 24), (32, 8, 12), (64, 4, 6)]


def test_layout_puts_paintings_first_and_looks_twice_at_half() -> None:
    layout = Layout(bold=(3, 0), group=2, calm=(1, 1, 2))
    assert layout.styles == [3, 3, 0, 0, 1, 1, 2]
    assert layout.twice == [0, 2, 4, 5]


@pytest.fixture
def contents() -> Contents:
    rng = np.random.default_rng(3)
    smooth = F.interpolate(torch.from_numpy(rng.random((2, 3, 12, 12))), (192, 192), mode="bicubic").clamp(0.0, 1.0)
    pictures = [picture.mul(255.0).byte().permute(1, 2, 0).numpy() for picture in smooth]
    return Contents(pictures, [None, None], [1.0, 3.0], torch.device("cpu"))


def effect(name: str, painting: str | None = None) -> EffectSettings:
    teacher = {"method": "oil"} if painting is None else {"method": "arbitrary-style", "painting": painting}
    return EffectSettings(name, name, "oil", teacher, brush=BrushOfEffect(side=80, scale=1.25))


class Critics(brush_critics.Critics):
    """The two networks with random weights, so that no data is needed."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.squeeze = _RandomSqueeze()  # type: ignore[assignment]
        self.mobile = _RandomMobile()  # type: ignore[assignment]


class _RandomSqueeze(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 8, 8, 8, 8, 8, 8)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.layers = torch.nn.ModuleList(
                torch.nn.Conv2d(a, b, 3, 2 if place == 0 else 1, 0 if place == 0 else 1)
                for place, (a, b) in enumerate(pairwise(widths))
            )

    def taps(self, image: torch.Tensor) -> list[torch.Tensor]:
        x, found = image, []
        for place, layer in enumerate(self.layers):
            x = F.relu(layer(x))
            found.append(x)
            if place in (0, 1, 2):
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return found

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (self.taps(a)[0] - self.taps(b)[0]).square().mean(dim=(1, 2, 3))


class _RandomMobile(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [F.avg_pool2d(image, 2), F.avg_pool2d(image, 4)]


@pytest.fixture
def lessons(contents: Contents, tmp_path) -> brush.Lessons:  # type: ignore[no-untyped-def]
    from impasto_training.images import save_picture

    rng = np.random.default_rng(4)
    save_picture(rng.integers(0, 255, (96, 120, 3), dtype=np.uint8), tmp_path / "painting.png")
    settings = BrushSettings(crop=CROP, batch=3, group=2, weight_adversary=0.1)
    effects = [effect("p", "painting.png"), effect("oil")]
    critics = Critics().requires_grad_(False)
    before = student().requires_grad_(False)
    cpu = torch.device("cpu")
    return brush.Lessons(effects, settings, critics, before, [True, True], contents, tmp_path, cpu, seed=1)


def test_canvas_moves_exactly_with_the_picture(
    lessons: brush.Lessons, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brush_scenes, "CARRY_ERROR", 0.0)
    monkeypatch.setattr(brush_scenes, "STATIC_SHARE", 0.0)
    step = lessons.step(Layout((0,), 2, (1, 1)))
    # A smooth field without a seam, so that sampling it twice loses nothing.
    coarse = F.pad(torch.rand(1, canvas.CHANNELS, 32, 32, generator=generator()), (3, 3, 3, 3), mode="circular")
    scale = canvas.SIDE // 32
    inner = slice(3 * scale, -3 * scale)
    field = F.interpolate(coarse, scale_factor=scale, mode="bicubic")[0, :, inner, inner]
    seen = brush_scenes.looks(contents, field, lessons, step, generator(9))
    first = seen.canvas_first[step.twice]
    places = F.avg_pool2d(seen.back.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    back = F.grid_sample(seen.canvas_second, places, align_corners=False)
    inner = slice(6, -6)
    apart = (back - first)[:, :, inner, inner].abs()
    assert apart.mean() < 0.003 < 0.02 < (seen.canvas_second - first)[:, :, inner, inner].abs().mean()


def test_a_few_steps_go_down_and_go_on_where_they_stopped(lessons: brush.Lessons, contents: Contents, tmp_path) -> None:  # type: ignore[no-untyped-def]
    field = canvas.as_tensor(7)
    cpu = torch.device("cpu")

    def run() -> brush_run.BrushRun:
        return brush_run.BrushRun(with_canvas(student()), lessons.settings, cpu)

    # The adversary's state is not part of a checkpoint: it would make the comparison inexact.
    lessons.adversary = None
    whole, first = run(), run()
    brush_run.train(whole, lessons, contents, field, seed=2, steps=4)
    brush_run.train(first, lessons, contents, field, seed=2, steps=2, checkpoint=tmp_path / "run.pt", until=0.5)
    second = run()
    second.restore(torch.load(tmp_path / "run.pt", weights_only=True))
    assert second.step == 2
    before = {name: value.clone() for name, value in second.student.state_dict().items()}
    brush_run.train(second, lessons, contents, field, seed=2, steps=4)
    assert second.step == whole.step == 4
    changed = [name for name, value in second.student.state_dict().items() if not torch.equal(value, before[name])]
    assert "encoder.0.project.conv.weight" in changed
    assert not any("running" in name for name in changed)


def test_calm_effects_are_given_no_canvas(lessons: brush.Lessons, contents: Contents) -> None:
    step = lessons.step(Layout((0,), 2, (1,)))
    seen = brush_scenes.looks(contents, canvas.as_tensor(7), lessons, step, generator())
    given: list[torch.Tensor] = []

    def painter(looks: torch.Tensor, _style: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        given.append(noise)
        return looks * 0.5

    terms = lessons.terms(painter, seen, step, lessons.draws(step.layout, generator()))  # type: ignore[arg-type]
    assert given[0][:2].abs().amax() > 0.1 and float(given[0][2].abs().amax()) == 0.0
    assert {"style", "swd", "palette", "content", "edge", "low", "keep", "stability", "adversary"} <= set(terms)
    assert all(torch.isfinite(term) for term in terms.values())


def test_weak_canvases_ask_for_less_style(lessons: brush.Lessons, contents: Contents) -> None:
    step = lessons.step(Layout((0,), 2, ()))
    seen = brush_scenes.looks(contents, canvas.as_tensor(7), lessons, step, generator())
    draws = lessons.draws(step.layout, generator())
    painted = seen.first * 0.9

    def style(gain: float) -> float:
        given = dataclasses.replace(seen, gain=torch.full_like(seen.gain, gain))
        return float(lessons.terms(lambda looks, *_: looks * 0.9, given, step, draws)["style"])  # type: ignore[arg-type,return-value]

    assert painted.shape == seen.first.shape
    assert style(0.0) == 0.0 and style(0.5) == pytest.approx(0.5 * style(1.0), rel=1e-5)


def terms_with(
    lessons: brush.Lessons, contents: Contents, settings: BrushOfEffect, face: float | None = None
) -> dict[str, float]:
    """The terms of a step over one painting with these settings; `face` is put in place of where the faces are."""
    lessons.adversary = None
    layout = Layout((0,), 2, (1,))
    lessons.effects = [dataclasses.replace(effect("p", "painting.png"), brush=settings), effect("oil")]
    step = lessons.step(layout)
    seen = brush_scenes.looks(contents, canvas.as_tensor(7), lessons, step, generator())
    if face is not None:
        seen = dataclasses.replace(seen, face=torch.full_like(seen.face, face))

    def painter(looks: torch.Tensor, _style: torch.Tensor, _noise: torch.Tensor) -> torch.Tensor:
        return looks * 0.5

    found = lessons.terms(painter, seen, step, lessons.draws(layout, generator()))  # type: ignore[arg-type]
    return {name: float(term) for name, term in found.items()}


def test_emphasis_weighs_the_style_terms_alone(lessons: brush.Lessons, contents: Contents) -> None:
    once, thrice = (terms_with(lessons, contents, BrushOfEffect(emphasis=emphasis)) for emphasis in (1.0, 3.0))
    for name, value in once.items():
        factor = 3.0 if name in ("style", "mobile", "swd", "palette") else 1.0
        assert thrice[name] == pytest.approx(factor * value, rel=1e-4), name


def test_deep_weighs_one_layer_of_the_gram_matrices(lessons: brush.Lessons, contents: Contents) -> None:
    none, once, thrice = (terms_with(lessons, contents, BrushOfEffect(deep=deep)) for deep in (0.0, 1.0, 3.0))
    deepest = once["style"] - none["style"]
    assert 0.0 < deepest < once["style"]
    assert thrice["style"] == pytest.approx(once["style"] + 2.0 * deepest, rel=1e-3)
    for name in once.keys() - {"style"}:
        assert thrice[name] == pytest.approx(once[name], rel=1e-5), name


def test_a_painting_s_face_weighs_what_is_kept_of_a_face(lessons: brush.Lessons, contents: Contents) -> None:
    factor = lessons.settings.face_factor
    for covered in (0.0, 1.0):
        once, twice = (terms_with(lessons, contents, BrushOfEffect(face=face), covered) for face in (1.0, 2.0))
        more = (1.0 + 2.0 * factor * covered) / (1.0 + factor * covered)
        for name, value in once.items():
            assert twice[name] == pytest.approx((more if name in ("content", "edge") else 1.0) * value, rel=1e-4), name


def test_a_run_of_some_paintings_changes_their_rows_alone(lessons: brush.Lessons, contents: Contents) -> None:
    settings = dataclasses.replace(lessons.settings, rows_only=True, canvas_rate=0.0)
    lessons.settings, lessons.adversary, lessons.bold, lessons.calm = settings, None, [0, 1], []
    lessons.drawn = [0]
    run = brush_run.BrushRun(with_canvas(student()), settings, torch.device("cpu"))
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    brush_run.train(run, lessons, contents, canvas.as_tensor(7), seed=2, steps=2)
    rows = {
        f"{layer.name}.{table}" for layer in run.student.convolutions() if layer.styled for table in ("scale", "bias")
    }
    for name, value in run.student.state_dict().items():
        if name in rows:
            assert not torch.equal(value[0], before[name][0]) and torch.equal(value[1], before[name][1]), name
        else:
            assert torch.equal(value, before[name]), name


def test_a_run_of_an_effect_without_a_painting_brings_its_row_back(lessons: brush.Lessons, contents: Contents) -> None:
    settings = dataclasses.replace(lessons.settings, rows_only=True, canvas_rate=0.0, weight_keep=1.0)
    lessons.settings, lessons.adversary = settings, None
    lessons.drawn, lessons.calm = [], [1]
    run = brush_run.BrushRun(with_canvas(student()), settings, torch.device("cpu"))
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    brush_run.train(run, lessons, contents, canvas.as_tensor(7), seed=2, steps=2)
    changed = {name for name, value in run.student.state_dict().items() if not torch.equal(value, before[name])}
    rows = {
        f"{layer.name}.{table}" for layer in run.student.convolutions() if layer.styled for table in ("scale", "bias")
    }
    assert changed and changed <= rows
    assert all(torch.equal(run.student.state_dict()[name][0], before[name][0]) for name in changed)


def test_the_rim_is_left_out_of_the_style(lessons: brush.Lessons, contents: Contents) -> None:
    step = lessons.step(Layout((0,), 2, ()))
    seen = brush_scenes.looks(contents, canvas.as_tensor(canvas.SEED), lessons, step, generator(5))
    draws = lessons.draws(step.layout, generator(6))
    painted = torch.rand(2, 3, CROP, CROP, generator=generator(7))
    rimmed = painted.clone()
    rimmed[:, :, : brush.RIM] = 0.0
    before, after = (lessons._bold_terms(picture, seen.reference, seen, step, draws) for picture in (painted, rimmed))
    for name in ("style", "mobile", "swd", "palette", "content"):
        assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["low"], after["low"])
