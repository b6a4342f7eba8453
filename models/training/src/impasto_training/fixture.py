"""A student too small to be of use, with everything in it that a real one has: for the tests of the engines."""

from __future__ import annotations

from pathlib import Path

import torch

from impasto_training import export
from impasto_training.networks.student import ARCHITECTURES, Student

STYLES = 2
SEED = 1


def student(styles: int = STYLES, seed: int = SEED) -> Student:
    """The tiny architecture in evaluation mode, with random weights and statistics that fit them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Student(ARCHITECTURES["tiny"], styles).train()
        with torch.no_grad():
            for layer in network.convolutions():
                layer.scale.add_(0.2 * torch.randn_like(layer.scale))
                layer.bias.add_(0.3 * torch.randn_like(layer.bias))
                layer.norm.momentum = 1.0
            network(torch.rand(styles, 3, 64, 96), torch.eye(styles))
    return network.eval()


def write(path: Path) -> None:
    """Exports the tiny student."""
    export.save(export.to_onnx(student(), [f"style-{index}" for index in range(STYLES)]), path)
