"""What each process of `test_two_processes_learn_together` runs: `torchrun two_processes.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import distributed as dist

from conftest import RECIPE
from impasto_training import distil, parallel
from impasto_training.batches import Crops
from impasto_training.data import Content, Photo, View
from impasto_training.recipe import parse
from impasto_training.targets import TargetCache


def main(root: Path) -> None:
    """Trains for a few steps, then compares its weights with those of the first process."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    recipe = parse(RECIPE)
    with parallel.group(device):
        cache = TargetCache(root / f"cache-{parallel.rank()}")
        content = Content((Photo(root / "0.jpg", "0" * 64),), View.WHOLE)
        picture = np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        for path in (cache.content_path(content), cache.target_path(content, "a"), cache.target_path(content, "b")):
            cache.write(path, picture)
        crops = Crops(cache, [content], ["a", "b"], 64)
        trained: list[torch.nn.Module] = []
        build = distil.build_student
        distil.build_student = lambda *arguments: trained.append(build(*arguments)) or trained[-1]
        path = distil.distil(recipe, recipe.variants[0], crops, ["a", "b"], root, root, device)
        assert path.exists()
        own = torch.cat([parameter.detach().flatten() for parameter in trained[0].parameters()])
        first = own.clone()
        dist.broadcast(first, src=0)
        if torch.equal(own, first) and parallel.processes() == 2:
            (root / f"agrees-{parallel.rank()}").touch()


main(Path(sys.argv[1]))
