import numpy as np
import numpy.typing as npt
import pytest

from impasto_training import stability
from impasto_training.images import FloatPicture, Picture, to_float, to_picture
from impasto_training.stability import EDGE, MARGIN, MOTIONS, REST, Motion, Scenes, still, view, warping_error

SIDE = 96


def smooth(side: int, seed: int = 1) -> FloatPicture:
    """A picture without anything finer than a few pixels, so that resampling loses little."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    planes: list[npt.NDArray[np.float64]] = []
    for _ in range(3):
        waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.uniform(-4, 4, (4, 3))]
        planes.append(0.5 + 0.1 * np.sum(waves, axis=0))
    return np.stack(planes, axis=-1).astype(np.float32)


@pytest.mark.parametrize("motion", MOTIONS, ids=lambda motion: motion.name)
def test_the_flow_is_exact(motion: Motion) -> None:
    source = smooth(SIDE + 2 * MARGIN)
    first, second = (to_float(view(source, m, SIDE)) for m in (REST, motion))
    assert np.abs(first - second).mean() > 5e-3
    # What remains is the rounding of both views to eight bits.
    assert warping_error(first, second, motion) < 0.6


def test_a_wrong_flow_shows() -> None:
    source = smooth(SIDE + 2 * MARGIN)
    first, second = (to_float(view(source, m, SIDE)) for m in (REST, MOTIONS[0]))
    wrong = Motion("wrong", MOTIONS[0].down + 1.0, MOTIONS[0].right, 1.0, 0.0)
    assert warping_error(first, second, wrong) > 4 * warping_error(first, second, MOTIONS[0])


def test_a_pattern_that_sticks_to_the_screen_is_found() -> None:
    scenes = Scenes([to_picture(smooth(SIDE))], [], seed=1)
    stripes = np.zeros((SIDE, SIDE, 3), np.float32)
    stripes[:, ::4] = 0.2
    calm = scenes.measure(to_float)
    stuck = scenes.measure(lambda picture: to_float(picture) * 0.8 + stripes)
    assert stuck.warping > 5 * calm.warping
    assert stuck.flicker < calm.flicker
    assert calm.clips is None


def test_flicker_grows_with_gain() -> None:
    scenes = Scenes([to_picture(smooth(SIDE))], [], seed=1)
    one = scenes.measure(lambda picture: 0.5 * to_float(picture)).flicker
    two = scenes.measure(lambda picture: 1.0 * to_float(picture)).flicker
    assert two == pytest.approx(2 * one, rel=1e-3)
    # Two normal deviates of sigma 2 differ by 2 * sigma / sqrt(pi) on the mean.
    assert two == pytest.approx(4.0 / np.sqrt(np.pi), rel=0.03)


def test_what_moves_is_not_still() -> None:
    frames: list[Picture] = []
    for shift in range(3):
        frame = np.full((SIDE, SIDE, 3), 90, np.uint8)
        frame[40:52, 30 + 4 * shift : 42 + 4 * shift] = 200
        frames.append(frame)
    mask = still(frames)
    assert not mask[46, 36] and not mask[46, 42 + 8 + stability.STILL_REACH // 2]
    assert mask[20, 75] and not mask[:EDGE].any()


def test_only_still_parts_of_clips_count() -> None:
    moving = [to_picture(np.roll(smooth(SIDE), 6 * shift, axis=1)) for shift in range(3)]
    resting = [to_picture(smooth(SIDE))] * 3
    assert Scenes([resting[0]], [moving], seed=1).measure(to_float).clips is None
    assert Scenes([resting[0]], [resting], seed=1).measure(to_float).clips == 0.0


def test_resampling_is_what_a_painter_that_moves_exactly_has() -> None:
    scenes = Scenes([to_picture(smooth(SIDE))], [], seed=1)
    assert scenes.resampling(to_float) == pytest.approx(scenes.measure(to_float).warping, abs=0.15)
    crisp = scenes.resampling(lambda picture: (to_float(picture) > 0.5).astype(np.float32))
    assert crisp > 3.0 * scenes.resampling(to_float)
