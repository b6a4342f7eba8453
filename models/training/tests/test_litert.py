"""The student as a LiteRT file, run by LiteRT."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from impasto_training import litert, metrics
from impasto_training.fixture import student
from impasto_training.scores import HALF_GATE_DB


@pytest.mark.parametrize("canvas", [False, True])
def test_the_file_paints_as_the_student_does(canvas: bool, tmp_path: Path) -> None:
    network = student(canvas=canvas)
    path = tmp_path / "t.tflite"
    path.write_bytes(litert.to_litert(network, 64, 48))
    generator = torch.Generator().manual_seed(4)
    image = F.avg_pool2d(torch.rand(1, 3, 48, 64, generator=generator), 3, 1, 1)
    noise = torch.rand(1, network.architecture.canvas, 24, 32, generator=generator) * 2.0 - 1.0 if canvas else None
    for style in (torch.tensor([[0.0, 1.0]]), torch.tensor([[0.7, 0.3]])):
        with torch.no_grad():
            expected = network(image, style, noise)[0].permute(1, 2, 0).numpy()
        given = None if noise is None else noise[0].numpy()
        got = litert.paint(path, image[0].permute(1, 2, 0).numpy(), style[0].numpy(), given)
        assert metrics.psnr(got, expected) > HALF_GATE_DB
        assert np.abs(got - expected).max() < 0.02


def test_sizes_that_do_not_halve_are_refused() -> None:
    with pytest.raises(ValueError, match="no multiples"):
        litert.to_litert(student(), 60, 48)
