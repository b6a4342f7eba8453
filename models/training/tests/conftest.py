from pathlib import Path

import numpy as np
import pytest
import torch

from impasto_training import paths
from impasto_training.data import Content, Photo, View
from impasto_training.recipe import Recipe, parse
from impasto_training.scores import EffectScore, Evaluation, Groups, GroupScore, Latency, Likeness, Stability
from impasto_training.targets import TargetCache

RECIPE = """
schema = "impasto.recipe/1"
name = "test"
kind = "painting"
licence = "MIT OR Apache-2.0"
seed = 7
contents = { portraits = 1, scenes = 1, mosaics = 0, covered = 1, validation_scenes = 0 }

[training]
crop = 64
batch = 2
learning_rate = 1e-3
weight_l1 = 4.0
weight_lpips = 0.0
weight_stability = 1.0
weight_colour = 1.0
weight_border = 1.0
tone_balance = 0.5

[[variants]]
id = "t"
width = 64
height = 32
network = "tiny"
steps = 6

[[variants]]
id = "u"
width = 96
height = 64
network = "tiny"
weights_of = "t"

[[effects]]
name = "warm"
title = "Warm"
artist = "Nobody"
kind = "painting"
teacher = { method = "arbitrary-style", painting = "paintings/starry_night.jpg", smoothing = 0.08 }

[[effects]]
name = "cold"
title = "Cold"
kind = "print"
teacher = { method = "screenprint" }
"""


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def recipe() -> Recipe:
    return parse(RECIPE)


@pytest.fixture
def data_root() -> Path:
    root = paths.data_root()
    if not (root / "photos").is_dir():
        pytest.skip(f"no training data at {root}")
    return root


@pytest.fixture
def synthetic(tmp_path: Path) -> tuple[TargetCache, list[Content], list[str]]:
    """Two random contents with targets in two styles: the picture, and its negative."""
    rng = np.random.default_rng(3)
    cache = TargetCache(tmp_path)
    contents = [Content((Photo(tmp_path / f"{i}.jpg", f"{i:064x}"),), View.WHOLE) for i in range(2)]
    for content in contents:
        blocks = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        picture = blocks.repeat(8, axis=0).repeat(8, axis=1)
        cache.write(cache.content_path(content), picture)
        cache.write(cache.target_path(content, "same"), picture)
        cache.write(cache.target_path(content, "negative"), 255 - picture)
    return cache, contents, ["same", "negative"]


def evaluation() -> Evaluation:
    """Of a variant with two effects: one that meets its goals but for the groups, and one that does not."""
    near, far = Likeness(20.0, 0.7, 0.15, 0.9), Likeness(19.0, 0.6, 0.25, 0.7)
    photo = Likeness(12.0, 0.5, 0.5, 1.0)
    groups = Groups((GroupScore("1-3", 1, 0.2, 0.08), GroupScore("7-10", 1, 0.2, 0.12)), ())
    teacher = Stability(5.0, (4.0, 4.0, 4.0), None)
    effects = (
        EffectScore("warm", near, near, photo, groups, Stability(1.0, (1.0, 1.0, 1.0), 1.1), 0.7, teacher, None),
        EffectScore("cold", near, far, photo, groups, Stability(1.8, (3.0, 3.0, 3.0), None), 0.9, teacher, None),
    )
    return Evaluation(
        variant="t",
        sha256="0" * 64,
        pictures=4,
        portrait_pictures=2,
        stability_pictures=2,
        clip_names=("yes",),
        clip_frames=4,
        quick=False,
        input_stability=Stability(2.2, (0.4, 0.4, 0.4), 0.5),
        parity_psnr=60.0,
        parity_max=0.001,
        latencies=(Latency("impasto 1, ort on the CPU", 64, 32, 5.0, 6.0),),
        machine="2 x Test CPU",
        load_average=0.5,
        seconds=3.0,
        effects=effects,
    )
