from pathlib import Path

import numpy as np
import pytest
import torch

from impasto_training import paths
from impasto_training.data import Content, Photo, View
from impasto_training.recipe import Recipe, parse
from impasto_training.targets import TargetCache

RECIPE = """
schema = "impasto.recipe/1"
name = "test"
kind = "painting"
licence = "MIT OR Apache-2.0"
seed = 7
contents = { portraits = 1, scenes = 1, mosaics = 0, validation_scenes = 0 }

[training]
crop = 64
batch = 2
learning_rate = 1e-3
weight_l1 = 4.0
weight_lpips = 0.0
weight_stability = 1.0
weight_colour = 1.0
weight_border = 1.0

[[variants]]
id = "t"
width = 64
height = 32
network = "tiny"
steps = 6

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
