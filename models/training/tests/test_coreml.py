"""What is handed to Core ML's converter; the conversion itself where `coremltools` is installed."""

from pathlib import Path

import pytest
import torch

from impasto_training import coreml
from impasto_training.fixture import student


def test_plain_layers_paint_the_same() -> None:
    network = student(canvas=True)
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(2))
    noise = torch.rand(1, network.architecture.canvas, 16, 24, generator=torch.Generator().manual_seed(3))
    style = torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        assert torch.allclose(coreml.plain(network)(image, style, noise), network(image, style, noise), atol=1e-5)


def test_the_package_holds_the_network(tmp_path: Path) -> None:
    pytest.importorskip("coremltools")
    kinds = coreml.save(student(canvas=True), 64, 48, tmp_path / "t.mlpackage")
    layers = sum(1 for _ in student(canvas=True).convolutions())
    # One more: the smoothing of the logits.
    assert kinds["conv"] == layers + 1 and (tmp_path / "t.mlpackage").is_dir()
