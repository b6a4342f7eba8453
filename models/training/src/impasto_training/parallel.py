"""Training on many processes: one student on every GPU and machine that `torchrun` starts a process for.

Each process computes its share of every batch and `DistributedDataParallel` averages the gradients, so the steps, the
schedule and (but for rounding and the statistics of batch normalisation, which are the first process's) the result do
not depend on how many there are. Without `torchrun` there is one process and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed as dist


def rank() -> int:
    """Which of the processes this is; the first, 0, writes files and talks."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process writes files and talks."""
    return rank() == 0


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process, where `device` is CUDA without a number."""
    if device.type == "cuda" and device.index is None and dist.is_initialized():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


@contextmanager
def group(device: torch.device) -> Iterator[None]:
    """Joins the other processes that `torchrun` started, if it started this one."""
    if "RANK" not in os.environ or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def barrier() -> None:
    """Waits for all processes."""
    if dist.is_initialized():
        dist.barrier()
