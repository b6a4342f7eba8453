"""Channel pruning: taking the least important hidden channels out of inverted residuals.

A hidden channel of a MobileNet block passes through three layers (expand 1x1, depthwise 3x3, project 1x1) and touches
nothing else, so it can go without a trace elsewhere. Its importance is how much it can change what the block gives:
the size of its column in the projection, times its spread after the depthwise layer's scale (batch normalisation makes
the spread before it 1; Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming",
section 3). A short retraining afterwards heals what was cut.
"""

from __future__ import annotations

from torch import Tensor

from impasto_training.networks.student import InvertedResidual, Student


def hidden_channels(student: Student) -> dict[str, int]:
    """State-dict prefix of every block with hidden channels of its own, and how many it has."""
    return {
        name: module.depthwise.channels
        for name, module in student.named_modules()
        if isinstance(module, InvertedResidual) and module.expand is not None
    }


def importance(state: dict[str, Tensor], block: str) -> Tensor:
    """Of each hidden channel of the block with that prefix: `[hidden]`, not negative, greater is more important."""
    spread = state[f"{block}.depthwise.scale"].abs().amax(dim=0)
    projected = state[f"{block}.project.conv.weight"].square().sum(dim=(0, 2, 3)).sqrt()
    deviation = (state[f"{block}.project.norm.running_var"] + 1e-5).sqrt().mean()
    return spread * projected / deviation


def narrowed(state: dict[str, Tensor], block: str, keep: int) -> dict[str, Tensor]:
    """A copy of the state dict in which the block has only its `keep` most important hidden channels.

    Gives the same dict back when it has no more than that.
    """
    hidden = state[f"{block}.project.conv.weight"].shape[1]
    if hidden <= keep:
        return state
    chosen = importance(state, block).topk(keep).indices.sort().values
    out = dict(state)
    out[f"{block}.project.conv.weight"] = state[f"{block}.project.conv.weight"][:, chosen]
    for layer in ("expand", "depthwise"):
        prefix = f"{block}.{layer}"
        out[f"{prefix}.conv.weight"] = state[f"{prefix}.conv.weight"][chosen]
        for statistic in ("norm.running_mean", "norm.running_var"):
            out[f"{prefix}.{statistic}"] = state[f"{prefix}.{statistic}"][chosen]
        for table in ("scale", "bias"):
            out[f"{prefix}.{table}"] = state[f"{prefix}.{table}"][:, chosen]
    return out
