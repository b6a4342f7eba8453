import dataclasses

import numpy as np
import pytest
import torch

from impasto_training import targets
from impasto_training.images import Picture, to_float
from impasto_training.teachers import registry
from impasto_training.teachers.base import Algorithm, AlgorithmTeacher
from impasto_training.teachers.filters import to_oklab, to_rgb
from impasto_training.teachers.flow import along, edges, flow_of
from impasto_training.teachers.registry import ALGORITHMS, CPU, TeacherError

EVERY = pytest.mark.parametrize("algorithm", [kind() for kind in ALGORITHMS.values()], ids=list(ALGORITHMS))


def scene(height: int, width: int) -> Picture:
    """A disc and a bar on a slope, in colour: edges, flats and gradients."""
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    picture = np.stack([60 + rows * 0.5, 90 + cols * 0.5, np.full_like(rows, 140)], 2)
    picture[(rows - height / 2) ** 2 + (cols - width / 2) ** 2 < (min(height, width) / 4) ** 2] = (210, 150, 120)
    picture[height // 5 : height // 4] = (30, 20, 25)
    return np.clip(picture, 0, 255).astype(np.uint8)


@EVERY
def test_any_size_is_painted_and_always_the_same_way(algorithm: Algorithm) -> None:
    picture = scene(75, 98)
    painted = algorithm.paint(picture)
    assert painted.shape == picture.shape and painted.dtype == np.uint8
    assert np.array_equal(painted, type(algorithm)().paint(picture))
    assert np.abs(painted.astype(int) - picture).mean() > 4, "a teacher that leaves the picture alone teaches nothing"


@EVERY
def test_a_blank_wall_stays_blank_under_noise(algorithm: Algorithm) -> None:
    rng = np.random.default_rng(2)
    wall = np.clip(rng.normal((150, 140, 130), 2.0, (96, 96, 3)), 0, 255).astype(np.uint8)
    inner = to_float(algorithm.paint(wall))[16:-16, 16:-16]
    assert inner.std(axis=(0, 1)).max() < 0.04


@EVERY
def test_paint_sticks_to_the_content(algorithm: Algorithm) -> None:
    wide = scene(128, 160)
    left, right = algorithm.paint(wide[:, :128]), algorithm.paint(wide[:, 24:152])
    # Far from the frame's borders, where the neighbourhoods that count are the same.
    apart = np.abs(left[48:80, 56:80].astype(int) - right[48:80, 32:56])
    assert apart.mean() < 20


@EVERY
def test_batches_are_painted_like_single_pictures(algorithm: Algorithm) -> None:
    pictures = [scene(64, 72), scene(64, 72)[:, ::-1].copy()]
    together = AlgorithmTeacher(algorithm, CPU).paint_all(pictures)
    for painted, picture in zip(together, pictures, strict=True):
        assert np.abs(painted.astype(int) - algorithm.paint(picture)).max() <= 1


def test_a_dark_face_and_a_pale_one_are_drawn_with_as_much_ink() -> None:
    rows, cols = np.mgrid[:96, :96].astype(np.float32)
    features = np.exp(-((rows - 48) ** 2) / 8) * (np.abs(cols - 48) < 30)
    drawn = []
    for skin in (0.35, 0.55, 0.8):
        lightness = torch.from_numpy((skin * (1.0 - 0.25 * features))[None, None])
        drawn.append(float(edges(lightness, flow_of(lightness)).mean()))
    assert min(drawn) > 0.6 * max(drawn) > 0.0


def test_oklab_goes_there_and_back_and_keeps_hue_out_of_gamut() -> None:
    rgb = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(to_rgb(to_oklab(rgb)), rgb, atol=2e-3)
    vivid = torch.tensor([0.6, 0.3, 0.3]).view(1, 3, 1, 1)
    back = to_oklab(to_rgb(vivid))
    assert torch.allclose(back[:, :1], vivid[:, :1], atol=0.02)
    assert float(torch.atan2(back[:, 2], back[:, 1])) == pytest.approx(np.pi / 4, abs=0.05)


def test_flow_follows_an_edge_and_smooths_along_it_alone() -> None:
    stripes = (torch.arange(64) // 8 % 2).float().view(1, 1, 1, 64).expand(1, 1, 48, 64)
    flow = flow_of(stripes)
    tangent = flow.tangent()[0, 10:-10, 10:-10]
    assert tangent[..., 1].abs().mean() > 0.97
    assert torch.allclose(along(stripes, flow, 4.0)[..., 4:-4], stripes[..., 4:-4], atol=0.06)


def test_keys_depend_on_parameters_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(**table: object) -> str:
        return targets.style_key(**registry.teacher(table, None).facts())  # type: ignore[arg-type]

    plain = key(method="toon")
    assert key(method="toon", levels=6) == plain
    assert key(method="toon", levels=7) != plain
    assert key(method="ink") != plain
    monkeypatch.setattr(ALGORITHMS["toon"], "VERSION", 1000)
    assert key(method="toon") != plain


def test_wrong_tables_are_explained() -> None:
    for table, message in (
        ({"method": "crayon"}, "known are"),
        ({"method": "toon", "level": 6}, "has no parameters"),
        ({"method": "toon", "levels": "six"}, "must be a float"),
        ({"method": "arbitrary-style", "smoothing": 0.1}, "needs"),
    ):
        with pytest.raises(TeacherError, match=message):
            registry.teacher(table, None)  # type: ignore[arg-type]


@EVERY
def test_parameters_are_numbers_with_defaults(algorithm: Algorithm) -> None:
    assert all(isinstance(field.default, float) for field in dataclasses.fields(algorithm))  # type: ignore[arg-type]
