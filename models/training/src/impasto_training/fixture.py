"""A student too small to be of use, with everything in it that a real one has: for the tests of the engines."""

from __future__ import annotations

from pathlib import Path

import torch

from impasto_training import export
from impasto_training.canvas import as_tensor, at_rest
from impasto_training.networks.student import ARCHITECTURES, CANVAS_SUFFIX, Student

STYLES = 2
SEED = 1


def student(styles: int = STYLES, seed: int = SEED, canvas: bool = False) -> Student:
    """The tiny architecture in evaluation mode, with random weights and statistics that fit them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Student(ARCHITECTURES["tiny" + CANVAS_SUFFIX * canvas], styles).train()
        with torch.no_grad():
            for layer in network.convolutions():
                layer.scale.add_(0.2 * torch.randn_like(layer.scale))
                layer.bias.add_(0.3 * torch.randn_like(layer.bias))
                layer.norm.momentum = 1.0
            field = at_rest(as_tensor(seed), 64, 96).expand(styles, -1, -1, -1) if canvas else None
            network(torch.rand(styles, 3, 64, 96), torch.eye(styles), field)
    return network.eval()


def write(path: Path, canvas: bool = False) -> None:
    """Exports the tiny student, with or without a canvas input."""
    export.save(export.to_onnx(student(canvas=canvas), [f"style-{index}" for index in range(STYLES)]), path)
