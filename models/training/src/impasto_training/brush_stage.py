"""The brush stage of one variant of a pack: what it begins with, what it learns on, and what comes out of it.

The stage begins with an exported network, so whoever has the pack can teach it, and keeps its state in a checkpoint.
With `rows_only` the weights that effects without a painting use stay as they are, and so do those effects, exactly.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from impasto_training import brush, brush_critics, brush_run, brush_scenes, canvas, restore, teach
from impasto_training.adopt import CANVAS_BIAS, STYLE_TABLES, rows, with_canvas
from impasto_training.balance import group_weights
from impasto_training.data import View
from impasto_training.faces import Face, FaceFinder
from impasto_training.images import Picture
from impasto_training.networks.student import ARCHITECTURES, Student, StyledConv
from impasto_training.recipe import Recipe, RecipeError, VariantSettings
from impasto_training.skin import tone
from impasto_training.targets import TargetCache
from impasto_training.teach import Lesson

STYLES_PROPERTY = "styles"


@dataclass(frozen=True)
class Beginning:
    """What a network was before this stage."""

    student: Student
    """With the recipe's styles and without a canvas."""

    known: list[bool]
    """By effect of the recipe: whether the network could paint it."""

    painter: Student
    """What training goes on from: the same network with a canvas, new or as a former stage has left it."""


def beginning(path: Path, recipe: Recipe, go_on_from: Path | None = None) -> Beginning:
    """The network of an exported file, and what training goes on from: that network or the one in `go_on_from`.

    Style rows are in the order of the recipe's effects; effects that a file does not know begin at the mean of those
    that it knows. Raises `RecipeError` where the first file takes a canvas, which shows that it has been through this
    stage, or the second one takes none or is of another architecture.
    """
    student, names = _in_order(path, recipe)
    if student.architecture.canvas:
        raise RecipeError(
            f"{path} takes a canvas already; name the file from before with --start-from, and this one with"
            " --go-on-from to train it further"
        )
    painter = with_canvas(student)
    if go_on_from is not None:
        further, _ = _in_order(go_on_from, recipe)
        if further.architecture != painter.architecture:
            raise RecipeError(f"{go_on_from} is not the network of {path} with a canvas")
        painter = further
    return Beginning(student, [effect.name in names for effect in recipe.effects], painter)


def _in_order(path: Path, recipe: Recipe) -> tuple[Student, list[str]]:
    """The network of an exported file, its style rows in the order of the recipe's effects, and the styles it knows."""
    old = restore.student(path)
    properties = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    names = properties.get(STYLES_PROPERTY, "").split(",")
    if len(names) != old.styles:
        raise RecipeError(f"{path} does not name its {old.styles} styles")
    wanted = [effect.name for effect in recipe.effects]
    student = Student(old.architecture, len(wanted))
    state = old.state_dict()
    for name, layer in old.named_modules():
        if isinstance(layer, StyledConv) and layer.styled:
            for table in STYLE_TABLES:
                state[name + table] = rows(state[name + table], names, wanted)
    student.load_state_dict(state)
    return student.eval(), names


def contents(
    lesson: Lesson, cache: TargetCache, data_root: Path, balance: float, device: torch.device
) -> brush_scenes.Contents:
    """All training contents with their faces, drawn so that skin tones are balanced (`balance.py`)."""
    finder = FaceFinder(data_root)
    pictures: list[Picture] = []
    faces: list[Face | None] = []
    groups: list[str | None] = []
    for content in lesson.training:
        picture = teach.content_picture(content, cache, finder)
        face = None if content.view is View.MOSAIC else finder.find(picture)
        found = None if face is None else tone(picture, face)
        pictures.append(picture)
        faces.append(face)
        groups.append(None if found is None else found.group)
    return brush_scenes.Contents(pictures, faces, group_weights(groups, balance), device)


def checkpoint_path(run_folder: Path, variant: VariantSettings) -> Path:
    """Where the stage keeps its state."""
    return run_folder / f"{variant.id}.brush.pt"


def _facts(recipe: Recipe, variant: VariantSettings, only: Sequence[str]) -> str:
    """What must not change under a run. The number of steps may: it only stretches the schedule."""
    facts = {
        "seed": recipe.seed,
        "brush": dataclasses.asdict(recipe.brush),
        "network": variant.network,
        "effects": [[effect.name, effect.painting, dataclasses.asdict(effect.brush)] for effect in recipe.effects],
    }
    if only:
        facts["only"] = list(only)
    return json.dumps(facts, sort_keys=True)


def run(
    recipe: Recipe,
    variant: VariantSettings,
    before: Beginning,
    contents: brush_scenes.Contents,
    steps: int,
    data_root: Path,
    path: Path,
    device: torch.device,
    only: Sequence[str] = (),
    seconds: float = math.inf,
    batch: int = 0,
) -> None:
    """Trains until `steps` are done or `seconds` have passed, from the checkpoint at `path` where there is one.

    With `only`, the effects that it names alone: their style rows change, and nothing else does. An effect without a
    painting is brought back towards what the network made of pictures before this stage. `batch` stands for the
    recipe's where it is not 0.
    """
    settings = dataclasses.replace(recipe.brush, batch=batch) if batch else recipe.brush
    if only:
        settings = dataclasses.replace(settings, rows_only=True, canvas_rate=0.0)
    critics = brush_critics.Critics(data_root).to(device).requires_grad_(False).eval()
    field = canvas.as_tensor(canvas.SEED).to(device)
    plain = copy.deepcopy(before.student).to(device).requires_grad_(False)
    lessons = brush.Lessons(
        recipe.effects, settings, critics, plain, before.known, contents, data_root, device, recipe.seed
    )
    if only:
        names = [effect.name for effect in recipe.effects]
        if unknown := [name for name in only if name not in names]:
            raise RecipeError(f"no effect of this recipe is called {unknown[0]!r}")
        picked = [names.index(name) for name in only]
        lessons.drawn = [style for style in picked if style in lessons.bold]
        lessons.calm = [style for style in picked if style in lessons.calm]
    elif settings.rows_only:
        # What is not painted after a painting cannot change, so there is nothing to hold it to.
        lessons.calm = []
    state = brush_run.BrushRun(before.painter, settings, device)
    facts = _facts(recipe, variant, only)
    if path.exists():
        known: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if known["facts"] != facts:
            raise RecipeError(f"{path} belongs to other settings; move it away to train anew")
        state.restore(known)
    brush_run.train(state, lessons, contents, field, recipe.seed, steps, path, facts, seconds)


def finished(recipe: Recipe, variant: VariantSettings, path: Path) -> tuple[Student, dict[str, Any]]:
    """The averaged student of a checkpoint, in evaluation mode, and the checkpoint itself."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    begun = with_canvas(Student(ARCHITECTURES[variant.network], len(recipe.effects)).eval())
    student = copy.deepcopy(begun)
    begun.load_state_dict(state["begun"])
    student.load_state_dict(state["average"])
    if recipe.brush.rows_only:
        bold = torch.tensor([effect.painting is not None for effect in recipe.effects])
        keep_others(student, begun, bold)
    return student.eval(), state


def mix(first: Path, second: Path, share: float, path: Path) -> None:
    """Writes a checkpoint whose weights lie between those of two others, `share` (0..1) of the second.

    Where the second run went on from what the first had made, the straight line between them holds good networks too
    (Wortsman et al. 2022, Robust fine-tuning of zero-shot models): bolder ones towards one end, calmer ones towards the
    other, without training. Raises `RecipeError` where the two are not of one network.
    """
    one, two = (torch.load(each, map_location="cpu", weights_only=True) for each in (first, second))
    ours, theirs = one["average"], two["average"]
    if {name: weight.shape for name, weight in ours.items()} != {name: weight.shape for name, weight in theirs.items()}:
        raise RecipeError(f"{first} and {second} are not checkpoints of one network")
    weights = {
        name: torch.lerp(weight, theirs[name], share) if weight.is_floating_point() else weight
        for name, weight in ours.items()
    }
    state = {**two, "average": weights, "student": weights, "step": one["step"] + two["step"]}
    state["seconds"] = one["seconds"] + two["seconds"]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


@torch.no_grad()
def keep_others(student: Student, begun: Student, bold: Tensor) -> None:
    """Lets a canvas of zeros change nothing for the styles that are not `bold` `[K]`.

    A canvas of zeros leaves `CANVAS_BIAS` in its channels, and the layers behind them add their weights times that. In
    the student that training has `begun` with, the statistics of the normalisation take this away; training has
    changed the weights. Here the statistics follow, for all styles, and the rows of the bold ones put back what they
    were trained with.
    """
    channels = student.architecture.canvas
    for layer, old in zip(student.convolutions(), begun.convolutions(), strict=True):
        if layer.name not in brush_run.CANVAS_LAYERS or layer.conv.groups > 1:
            continue
        mean, variance = layer.norm.running_mean, layer.norm.running_var
        assert mean is not None and variance is not None and layer.styled
        now, then = (each.conv.weight[:, -channels:].sum(dim=(1, 2, 3)) for each in (layer, old))
        change = CANVAS_BIAS * (now - then)
        mean += change
        layer.bias.add_(bold.float()[:, None] * layer.scale * change * (variance + layer.norm.eps).rsqrt())
