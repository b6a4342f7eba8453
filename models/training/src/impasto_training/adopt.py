"""Beginning a run with the weights of another one: to add effects to a gallery, or to go on with a narrower network.

Rows of the style tables go over by the effect's name, so an effect whose teacher changed begins where it was; one that
the other run did not know begins at the mean of those it knew. Where the new network is narrower inside an inverted
residual, the hidden channels that matter most stay (`prune.importance`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto_training.networks.student import ARCHITECTURES, CANVAS_SUFFIX, Student
from impasto_training.prune import hidden_channels, narrowed
from impasto_training.recipe import RecipeError

NORM_EPSILON = torch.nn.BatchNorm2d(1).eps

STYLE_TABLES = (".scale", ".bias")


def rows(table: Tensor, known: list[str], wanted: list[str]) -> Tensor:
    """The table `[len(known), C]` for other styles: `[len(wanted), C]`."""
    mean = table.mean(dim=0)
    places = {key: index for index, key in enumerate(known)}
    return torch.stack([table[places[key]] if key in places else mean for key in wanted])


CANVAS_GAIN, CANVAS_BIAS = 3.0, 3.0
"""A canvas of -1..1 fills the range 0..6 of the layer that it first meets."""

CANVAS_WEIGHT = 0.2
"""Standard deviation of the weights behind it. From zero they would hardly ever rise: to first order, noise of either
sign changes no statistic of a picture."""


def with_canvas(student: Student, weight: float = CANVAS_WEIGHT, seed: int = 1) -> Student:
    """The same network with a canvas input, in evaluation mode. A canvas of zeros changes nothing in its paintings.

    The canvas passes its depthwise layers as it is; the layers behind them weigh it at random.
    """
    network = next(name for name, known in ARCHITECTURES.items() if known == student.architecture)
    wide = Student(ARCHITECTURES[network + CANVAS_SUFFIX], student.styles).eval()
    generator = torch.Generator().manual_seed(seed)
    old = student.state_dict()
    state = {name: _widened(name, value, old[name]) for name, value in wide.state_dict().items()}
    for name, value in state.items():
        known_inputs = old[name].shape[1] if value.ndim == 4 else 0
        if value.ndim == 4 and value.shape[1] > known_inputs:
            columns = weight * torch.randn(value.shape[0], value.shape[1] - known_inputs, 1, 1, generator=generator)
            value[:, known_inputs:] = columns
            # What the bias of a canvas of zeros adds is taken away again.
            state[name.replace("conv.weight", "norm.running_mean")] += CANVAS_BIAS * columns.sum(dim=(1, 2, 3))
    wide.load_state_dict(state)
    return wide


def _widened(name: str, wide: Tensor, known: Tensor) -> Tensor:
    """`known` in the shape of `wide`, the rest such that a canvas passes as it is and is weighed by zero."""
    if name.endswith("num_batches_tracked"):
        return known.clone()
    fill = torch.zeros_like(wide)
    if name.endswith("depthwise.conv.weight"):
        fill[:, :, 1, 1] = CANVAS_GAIN
    elif name.endswith(".bias"):
        fill.fill_(CANVAS_BIAS)
    elif name.endswith(".scale"):
        fill.fill_(1.0)
    elif name.endswith("running_var"):
        # Statistics that do nothing.
        fill.fill_(1.0 - NORM_EPSILON)
    fill[tuple(slice(size) for size in known.shape)] = known
    return fill


def adopt(student: Student, path: Path, effects: list[str]) -> None:
    """Loads the averaged weights of the checkpoint at `path` into `student`, whose styles are those of `effects`.

    Raises `RecipeError` when the checkpoint is of another architecture.
    """
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    known: list[str] = checkpoint["effects"]
    own = student.state_dict()
    state: dict[str, Tensor] = checkpoint["average"]
    for name, channels in hidden_channels(student).items():
        state = narrowed(state, name, channels)
    for name, value in state.items():
        if name.endswith(STYLE_TABLES) and value.shape[0] == len(known) and value.ndim == 2:
            state[name] = rows(value, known, effects)
    if misfits := [name for name, value in own.items() if name not in state or state[name].shape != value.shape]:
        raise RecipeError(f"{path} cannot be adopted: {len(misfits)} weights do not fit, for example {misfits[0]}")
    student.load_state_dict(state)
