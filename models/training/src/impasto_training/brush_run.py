"""A run of the brush stage: what is trained, step by step, kept in checkpoints, and recorded once on a GPU."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from impasto_training.brush import MEMORY_FORMAT, Draws, Layout, Lessons, Step
from impasto_training.brush_scenes import Contents, Looks, looks
from impasto_training.networks.student import Student
from impasto_training.recipe import BrushSettings

CANVAS_LAYERS = ("encoder.0.depthwise", "encoder.0.project", "decoder.2.0.depthwise", "decoder.2.0.pointwise")
"""The layers that the canvas joins, and those behind them."""

WARM_UP_STEPS = 60
AVERAGE_DECAY = 0.995
CHECKPOINT_SECONDS = 60.0


class BrushRun:
    """The state of one run: student, running average, optimiser, step. Normalisation statistics stay as they are."""

    def __init__(self, student: Student, settings: BrushSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.student = student.to(device).eval().to(memory_format=MEMORY_FORMAT)
        self.average = copy.deepcopy(self.student).requires_grad_(False)
        self.begun = copy.deepcopy(self.student).requires_grad_(False)
        rows = [p for layer in self.student.convolutions() if layer.styled for p in (layer.scale, layer.bias)]
        own = {id(row) for row in rows}
        shared = [p for p in self.student.parameters() if id(p) not in own]
        if settings.rows_only:
            for parameter in shared:
                parameter.requires_grad_(False)
            shared = self._canvas_weights() if settings.canvas_rate > 0.0 else []
        self._factors = (settings.canvas_rate if settings.rows_only else 1.0, settings.row_rate)
        on_gpu = device.type == "cuda"
        # A recorded step reads its rates from the device.
        self._rates = [torch.zeros((), device=device) if on_gpu else 0.0 for _ in self._factors]
        groups = [{"params": part, "lr": rate} for part, rate in zip((shared, rows), self._rates, strict=True)]
        self.parameters = [*shared, *rows]
        self.optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), capturable=on_gpu)
        self.step = 0
        self.progress = 0.0
        """How far the schedule has gone, 0..1."""

        self.seconds = 0.0

    def _canvas_weights(self) -> list[nn.Parameter]:
        """The weights that a canvas of zeros never meets; the rest of their layers gets no gradient."""
        channels = self.student.architecture.canvas
        found: list[nn.Parameter] = []
        for name in CANVAS_LAYERS:
            layer = next(layer for layer in self.student.convolutions() if layer.name == name)
            weight: nn.Parameter = layer.conv.weight  # type: ignore[assignment]
            weight.requires_grad_(True)
            mask = torch.zeros_like(weight)
            # Depthwise weights have their channels first, pointwise ones second.
            mask[-channels:] = float(weight.shape[1] == 1)
            if weight.shape[1] > 1:
                mask[:, -channels:] = 1.0
            weight.register_hook(partial(torch.mul, mask))  # type: ignore[no-untyped-call]
            found.append(weight)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "begun": self.begun.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "progress": self.progress,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` of another process gave."""
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.begun.load_state_dict(state["begun"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate
        self.step, self.seconds, self.progress = state["step"], state["seconds"], state["progress"]

    def set_rate(self, progress: float) -> None:
        """Sets the learning rate for a place 0..1 in the run: a warm-up, then half a cosine."""
        rate = self.settings.learning_rate * min(1.0, (self.step + 1) / WARM_UP_STEPS)
        rate *= max(0.02, 0.5 * (1.0 + math.cos(math.pi * progress)))
        for group, factor in zip(self.optimiser.param_groups, self._factors, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor

    def descend(self, terms: dict[str, Tensor]) -> None:
        """One step down the sum of `terms`. Nothing here waits for the device."""
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        with torch.no_grad():
            averaged: list[Tensor] = list(self.average.parameters())
            current: list[Tensor] = list(self.student.parameters())
            torch._foreach_lerp_(averaged, current, 1.0 - AVERAGE_DECAY)


class Recorded:
    """A step that is recorded once on a GPU and then replayed, which spares thousands of launches.

    The inputs are copied into place before each replay; the layout is the same at every step.
    """

    def __init__(self, run: BrushRun, lessons: Lessons, seen: Looks, step: Step, draws: Draws) -> None:
        self._seen, self._draws = seen, draws
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run.descend(lessons.terms(run.student, seen, step, draws))
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        run.optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self.terms = lessons.terms(run.student, seen, step, draws)
            run.descend(self.terms)

    def replay(self, seen: Looks, draws: Draws) -> dict[str, Tensor]:
        """One step on fresh inputs; the terms hold until the next replay."""
        for old, new in ((self._seen, seen), (self._draws, draws)):
            for field in dataclasses.fields(old):
                theirs, ours = getattr(new, field.name), getattr(old, field.name)
                pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
                for target, source in pairs:
                    target.copy_(source)
        self._graph.replay()
        return self.terms


def layout(step: int, seed: int, lessons: Lessons) -> Layout:
    """What a step paints: all styles where the batch has room for them, else some in turns, in shuffled rounds."""
    settings = lessons.settings
    if settings.batch >= len(lessons.drawn) * settings.group + len(lessons.calm):
        calm = settings.batch - len(lessons.drawn) * settings.group
        each = calm // max(len(lessons.calm), 1)
        return Layout(tuple(lessons.drawn), settings.group, tuple(style for style in lessons.calm for _ in range(each)))
    styles = [*lessons.drawn, *lessons.calm]
    picked = []
    groups = max(settings.batch // settings.group, 1)
    for place in range(step * groups, (step + 1) * groups):
        turn, within = divmod(place, len(styles))
        order = torch.randperm(len(styles), generator=Generator().manual_seed(seed * 7919 + turn)).tolist()
        picked.append(styles[order[within]])
    calm_styles = tuple(style for style in picked if style in lessons.calm for _ in range(settings.group))
    return Layout(tuple(style for style in picked if style in lessons.drawn), settings.group, calm_styles)


def train(
    run: BrushRun,
    lessons: Lessons,
    contents: Contents,
    field: Tensor,
    seed: int,
    steps: int,
    checkpoint: Path | None = None,
    facts: str = "",
    seconds: float = math.inf,
    report: int = 50,
    until: float = 1.0,
) -> None:
    """Goes on until `steps` are done or `seconds` of wall time have passed; then the rate has come down either way.

    With `until` below 1 that is only the first part of the schedule, and another call goes on from there.
    """
    first, begun = run.progress, run.step
    started = saved = clock = time.monotonic()
    shown: dict[str, Tensor] = {}
    recorded: Recorded | None = None
    fixed = layout(0, seed, lessons) == layout(1, seed, lessons)
    known: dict[Layout, Step] = {}
    while run.step < steps and time.monotonic() - started < seconds:
        share = (time.monotonic() - started) / seconds if math.isfinite(seconds) else 0.0
        progress = first + (until - first) * max((run.step - begun) / (steps - begun), share)
        generator = Generator(device=run.device).manual_seed(seed * 1_000_003 + run.step)
        wanted = layout(run.step, seed, lessons)
        step = known.setdefault(wanted, lessons.step(wanted)) if wanted not in known else known[wanted]
        seen = looks(contents, field, lessons, step, generator)
        draws = lessons.draws(wanted, generator) if wanted.bold else None
        run.progress = progress
        run.set_rate(progress)
        lessons.set_progress(progress)
        if recorded is None and fixed and run.device.type == "cuda" and draws is not None:
            try:
                recorded = Recorded(run, lessons, seen, step, draws)
            except RuntimeError as error:
                print(f"the step cannot be recorded on this GPU, so it is launched anew each time: {error}", flush=True)
                fixed = False
        if recorded is not None and draws is not None:
            terms = recorded.replay(seen, draws)
        else:
            terms = lessons.terms(run.student, seen, step, draws)
            run.descend(terms)
        run.step += 1
        for name, term in terms.items():
            value = term.detach()
            shown[name] = value.clone() if name not in shown else torch.lerp(shown[name], value, 0.05)
        now = time.monotonic()
        run.seconds += now - clock
        clock = now
        if run.step % report == 0:
            words = " ".join(f"{name} {value.item():.3f}" for name, value in shown.items())
            print(f"{run.step} {run.seconds:.0f} s  {words}", flush=True)
        if checkpoint is not None and now - saved > CHECKPOINT_SECONDS:
            save(checkpoint, run, facts)
            saved = now
    if checkpoint is not None:
        save(checkpoint, run, facts)


def save(path: Path, run: BrushRun, facts: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"facts": facts, **run.state()}, part)
    part.replace(path)
