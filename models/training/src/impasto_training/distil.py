"""Training one student on the cached targets.

A run writes a checkpoint every `CHECKPOINT_SECONDS` and goes on from it when started again; batches depend on the step
alone, so a run that was interrupted ends with the same weights as one that was not.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from impasto_training import parallel
from impasto_training.adopt import adopt
from impasto_training.batches import Batch, Crops
from impasto_training.losses import border, colour, stability
from impasto_training.networks.mobilenet import initialise_encoder
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import ARCHITECTURES, Student
from impasto_training.recipe import Recipe, RecipeError, TrainingSettings, VariantSettings

CHECKPOINT_SECONDS = 45.0
WARM_UP_STEPS = 100
FROZEN_NORM_SHARE = 0.35
"""The last part of training sees the normalisation statistics that the exported network will use."""

STYLE_RATE = 4.0
"""A style's scales and biases learn this much faster than the weights that all share: few samples ask for each."""

AVERAGE_DECAY = 0.998
CALIBRATION_BATCH = 16


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warm_up = min(WARM_UP_STEPS, steps // 10 + 1)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))


def perceptual_distance(data_root: Path) -> LpipsSqueeze:
    """LPIPS-sq from the data folder."""
    nets = data_root / "nets"
    return LpipsSqueeze(nets / "squeezenet1_1_fp16.npz", nets / "lpips_v0.1_squeeze_heads.pth")


def weighted_terms(
    painter: nn.Module, batch: Batch, weights: TrainingSettings, distance: LpipsSqueeze | None
) -> dict[str, Tensor]:
    """The weighted terms of the loss. `painter` takes pictures and style vectors; half of the batch is seen twice."""
    count = batch.first.shape[0]
    half = (count + 1) // 2
    looks = torch.cat([batch.first, batch.second[:half]])
    painted = painter(looks, torch.cat([batch.style, batch.style[:half]])).float()
    first, second = painted[:count], painted[count:]
    terms = {
        "l1": weights.weight_l1 * (first - batch.target).abs().mean(),
        "colour": weights.weight_colour * colour(first, batch.target),
        "border": weights.weight_border * border(first, batch.target),
        "stability": weights.weight_stability * stability(first[:half], second, batch.back[:half]),
    }
    if distance is not None:
        terms["lpips"] = weights.weight_lpips * distance(first, batch.target).mean()
    return terms


def style_rows(student: Student) -> Iterator[nn.Parameter]:
    """Scales and biases of all layers, always in the same order."""
    for layer in student.convolutions():
        yield layer.scale
        yield layer.bias


class Run:
    """The state of one training run: student, its running average, optimiser, step."""

    def __init__(self, student: Student, settings: TrainingSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.student = student.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.student)
        self.forward: nn.Module = (
            DistributedDataParallel(self.student) if parallel.processes() > 1 else self.student
        )  # fmt: skip
        rows = list(style_rows(self.student))
        own = {id(row) for row in rows}
        shared = [parameter for parameter in self.student.parameters() if id(parameter) not in own]
        self.optimiser = torch.optim.Adam(
            [{"params": shared, "factor": 1.0}, {"params": rows, "factor": STYLE_RATE}], lr=settings.learning_rate
        )
        self.step = 0
        self.seconds = 0.0

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` of another process gave."""
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def advance(self, batch: Batch, steps: int, distance: LpipsSqueeze | None) -> dict[str, float]:
        """One step of `steps`. Returns the weighted loss terms."""
        self.student.train()
        if self.step >= steps * (1.0 - FROZEN_NORM_SHARE):
            for layer in self.student.convolutions():
                layer.norm.eval()
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * learning_rate(self.step, steps, self.settings.learning_rate)
        with torch.autocast(self.device.type, torch.bfloat16):
            terms = weighted_terms(self.forward, batch.to(self.device), self.settings, distance)
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.stack(list(terms.values())).sum()
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        self._update_average()
        self.step += 1
        return {name: term.item() for name, term in terms.items()}

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1.0 + self.step) / (10.0 + self.step))
        for mean, value in zip(self.average.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(value, 1.0 - decay)
        for statistic, current in zip(self.average.buffers(), self.student.buffers(), strict=True):
            statistic.copy_(current)


def build_student(variant: VariantSettings, styles: int, seed: int) -> Student:
    """A student of that variant with random weights that depend on `seed` alone."""
    if variant.network not in ARCHITECTURES:
        raise RecipeError(f"unknown network {variant.network!r}; known are {', '.join(ARCHITECTURES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Student(ARCHITECTURES[variant.network], styles)


def checkpoint_path(recipe: Recipe, variant: VariantSettings, cache_root: Path) -> Path:
    """Where a run keeps its state."""
    return cache_root / "runs" / recipe.name / f"{variant.id}.pt"


def _facts(recipe: Recipe, variant: VariantSettings, styles: list[str]) -> str:
    """What must not change under a run. The number of steps may: it only stretches the schedule."""
    facts = {
        "seed": recipe.seed,
        "training": dataclasses.asdict(recipe.training),
        "network": str(ARCHITECTURES[variant.network]),
        "styles": styles,
    }
    return json.dumps(facts, sort_keys=True)


def save_checkpoint(path: Path, run: Run, facts: str, effects: list[str]) -> None:
    """Whole or not at all. `effects` are the names of the styles, for runs that begin with these weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"facts": facts, "effects": effects, **run.state()}, part)
    part.replace(path)


def load_average(path: Path, variant: VariantSettings, styles: int) -> tuple[Student, dict[str, Any]]:
    """The averaged student of a checkpoint, in evaluation mode, and the checkpoint itself."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    student = Student(ARCHITECTURES[variant.network], styles)
    student.load_state_dict(state["average"])
    return student.eval(), state


def distil(
    recipe: Recipe,
    variant: VariantSettings,
    crops: Crops,
    styles: list[str],
    data_root: Path,
    cache_root: Path,
    device: torch.device,
    start_from: Path | None = None,
) -> Path:
    """Trains a variant to its last step and returns the checkpoint's path.

    A new run begins with the weights of the checkpoint `start_from`, where given (see `adopt`).
    """
    path = checkpoint_path(recipe, variant, cache_root)
    facts = _facts(recipe, variant, styles)
    effects = [effect.name for effect in recipe.effects]
    device = parallel.local_device(device)
    run = Run(build_student(variant, len(styles), recipe.seed), recipe.training, device)
    batch_size = recipe.training.batch
    if batch_size % parallel.processes():
        raise RecipeError(f"a batch of {batch_size} cannot be shared by {parallel.processes()} processes")
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        if state["facts"] != facts:
            raise RecipeError(f"{path} belongs to other settings; move it away to train anew")
        run.restore(state)
    elif start_from is not None:
        adopt(run.student, start_from, effects)
        run.average.load_state_dict(run.student.state_dict())
    else:
        pictures = crops.batch(CALIBRATION_BATCH, recipe.seed, step=0).first.to(device)
        initialise_encoder(run.student, data_root / "nets" / "mobilenet_v2_1.0_encoder_fp16.npz", pictures)
        run.average.load_state_dict(run.student.state_dict())
    distance = perceptual_distance(data_root).to(device) if recipe.training.weight_lpips > 0.0 else None
    last_save = clock = time.monotonic()
    with tqdm(
        total=variant.steps,
        initial=run.step,
        unit="step",
        desc=f"distil {variant.id}",
        disable=not parallel.is_first(),
    ) as progress:
        while run.step < variant.steps:
            batch = crops.batch(batch_size, recipe.seed, run.step).share(parallel.rank(), parallel.processes())
            terms = run.advance(batch, variant.steps, distance)
            now = time.monotonic()
            run.seconds += now - clock
            clock = now
            progress.update()
            progress.set_postfix({name: f"{value:.3f}" for name, value in terms.items()}, refresh=False)
            if now - last_save > CHECKPOINT_SECONDS and parallel.is_first():
                save_checkpoint(path, run, facts, effects)
                last_save = now
    if parallel.is_first():
        save_checkpoint(path, run, facts, effects)
    parallel.barrier()
    return path
