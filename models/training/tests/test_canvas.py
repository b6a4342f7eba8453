import numpy as np
import torch

from impasto_training import canvas
from impasto_training.adopt import with_canvas
from impasto_training.canvas import CHANNELS, SIDE, as_tensor, at_rest, field, sampled
from impasto_training.engine import Engine
from impasto_training.export import save, to_onnx
from impasto_training.fixture import student

SEED = 7


def test_field_is_the_one_that_the_app_makes() -> None:
    # The same numbers stand in the app's test of its generator.
    made = field(SEED)
    assert made.shape == (CHANNELS, SIDE, SIDE) and made.dtype == np.int8
    assert made[:, 100, 200].tolist() == PLACE
    assert [int(layer.astype(np.int64).sum()) for layer in made] == SUMS


PLACE = [5, 66, -19, 17, -9, 1, 15, -10]
SUMS = [1125, 3104, -57, -465, 2150, 3662, 6, 960]


def test_every_layer_fills_its_range_alike() -> None:
    made = as_tensor(SEED)
    assert (made.std(dim=(1, 2)) - canvas.DEVIATION).abs().max() < 0.01
    assert made.mean(dim=(1, 2)).abs().max() < 0.02
    assert not np.array_equal(field(SEED), field(SEED + 1))


def test_field_has_no_seam() -> None:
    # Across the border of the torus layers change as little as between any two neighbours.
    made = field(SEED).astype(np.float64)
    for axis in (1, 2):
        inner = np.abs(np.diff(made, axis=axis)).mean(axis=(1, 2))
        last, first = np.take(made, -1, axis=axis), np.take(made, 0, axis=axis)
        assert (np.abs(last - first).mean(axis=1) < 1.6 * inner).all()


def test_samples_wrap_around_and_rest_on_whole_places() -> None:
    made = as_tensor(SEED)
    places = torch.tensor([[[[3.0, 5.0], [SIDE - 1.0, 7.0], [SIDE - 0.5, 7.0], [-2.0, 0.0]]]])
    got = sampled(made, places)[0, :, 0]
    expected = [made[:, 5, 3], made[:, 7, -1], (made[:, 7, -1] + made[:, 7, 0]) / 2, made[:, 0, -2]]
    assert torch.allclose(got, torch.stack(expected, dim=1), atol=1e-4)
    assert torch.allclose(at_rest(made, 32, 48)[0], made[:, :32:2, :48:2], atol=1e-4)


def test_a_canvas_added_to_a_network_is_heeded_and_an_empty_one_changes_nothing() -> None:
    plain = student()
    wide = with_canvas(plain)
    image, style = torch.rand(2, 3, 32, 48), torch.eye(2)
    noise = at_rest(as_tensor(SEED), 32, 48).expand(2, -1, -1, -1)
    with torch.no_grad():
        painted = plain(image, style)
        assert torch.allclose(wide(image, style), painted, atol=1e-5)
        assert (wide(image, style, noise) - painted).abs().mean() > 1e-3


def test_one_style_for_all_is_the_same_folded() -> None:
    network = student(canvas=True)
    image = torch.rand(3, 3, 32, 48)
    noise = torch.rand(3, CHANNELS, 16, 24) * 2.0 - 1.0
    with torch.no_grad():
        style = torch.tensor([[0.25, 0.75]])
        apart = network(image, style.expand(3, -1), noise)
        assert torch.allclose(network(image, style, noise), apart, atol=1e-5)
        assert (network(image, style) - apart).abs().max() > 0.01


def test_exported_network_takes_the_canvas(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = student(canvas=True)
    path = tmp_path / "tiny.onnx"
    save(to_onnx(network, ["a", "b"], half_weights=False), path)
    engine = Engine(path, threads=1)
    assert engine.canvas_channels == CHANNELS
    image, noise = torch.rand(1, 3, 32, 48), at_rest(as_tensor(SEED), 32, 48)
    with torch.no_grad():
        for canvas_field in (noise, None):
            expected = network(image, torch.tensor([[0.0, 1.0]]), canvas_field)[0].permute(1, 2, 0).numpy()
            given = None if canvas_field is None else canvas_field[0].numpy()
            got = engine.paint(image[0].permute(1, 2, 0).numpy(), 1, given)
            assert np.abs(got - expected).max() < 1e-5
