"""A recipe: everything that decides what a pack becomes, read from one TOML file and checked.

Unknown keys are errors, so a typing mistake cannot silently fall back to a default.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from impasto_training.paths import training_root

SCHEMA = "impasto.recipe/1"
KINDS = ("painting", "oil", "watercolour", "toon", "ink", "pencil", "print", "glass")
"""What an effect looks like; people choose by it."""

T = TypeVar("T")


class RecipeError(ValueError):
    """The recipe cannot be used; the message says what to change."""


@dataclass(frozen=True)
class ContentSettings:
    """How many pictures are painted, at most."""

    portraits: int
    scenes: int
    mosaics: int
    validation_scenes: int
    covered: int = 0


@dataclass(frozen=True)
class TrainingSettings:
    """Optimisation; `crop` in pixels, weights multiply their loss terms."""

    crop: int
    batch: int
    learning_rate: float
    weight_l1: float
    weight_lpips: float
    weight_stability: float
    weight_colour: float
    weight_border: float
    tone_balance: float = 0.0
    """0..1, see `balance`."""


@dataclass(frozen=True)
class BrushSettings:
    """The stage of `brush.py`; `crop` in pixels, weights multiply their loss terms."""

    crop: int = 192
    batch: int = 4
    group: int = 4
    """Samples of a batch that share a style."""

    learning_rate: float = 1e-3
    row_rate: float = 4.0
    rows_only: bool = False
    """Only the style rows and what the canvas alone meets are trained, the latter `canvas_rate` times as fast."""

    canvas_rate: float = 4.0
    """0 leaves what the canvas alone meets as it is, too."""

    weak_share: float = 0.2
    """How often the canvas is given at less than its full strength."""

    weight_style: float = 6.0
    weight_mobile: float = 1.0
    weight_swd: float = 1.0
    weight_palette: float = 0.8
    weight_content: float = 0.8
    weight_edge: float = 6.0
    weight_low: float = 2.0
    weight_border: float = 3.0
    weight_stability: float = 50.0
    calm_at_first: float = 0.25
    """Share of `weight_stability` that a run begins with; it is whole from half of the run on."""

    weight_keep: float = 1.0
    weight_adversary: float = 0.4
    face_factor: float = 1.5
    """How much more edges and content count on faces."""


@dataclass(frozen=True)
class BrushOfEffect:
    """How the brush stage sees one painting."""

    side: int = 430
    """The short side of the painting, in pixels of the student's picture: sets the size of its strokes."""

    scale: float = 1.0
    """Of the canvas: 2 makes strokes twice as large."""

    strength: float = 1.0
    """Of the canvas when the app gives it to the finished network, 0..1.5; training has it at 1."""

    palette: float = 0.5
    """How much of the reference's colours come from the painting rather than from the network before."""

    emphasis: float = 1.0
    """How much the style terms of this painting weigh; above 1 for one that stays too near the photo."""

    deep: float = 1.0
    """How much of them the deepest layer, of shapes and arrangement, weighs; above 1 where only strokes come over."""

    face: float = 1.0
    """Times `face_factor`: above 1 where strokes hide eyes and mouths."""


@dataclass(frozen=True)
class ReliefOfEffect:
    """What paint, paper or press the app lays on the painting where it brings it to the window; amounts are 0 to 2."""

    thickness: float = 0.0
    """How strongly light from one side shows the ridges of paint."""

    gloss: float = 0.0
    """How much wet paint shines."""

    pigment: float = 0.0
    """How much bristles vary the tone of paint."""

    drag: float = 0.0
    """How far strokes drag colours over edges."""

    width: float = 1.0
    """How wide strokes are: 1 is ridges 1/53 of the picture's height apart."""

    length: float = 1.0
    """How long strokes are, 1 to 2."""

    swirl: float = 1.0
    """How much strokes swirl where the painting has no direction."""

    paper: float = 0.0
    """Grain of watercolour paper, and pigment that gathers in it."""

    rim: float = 0.0
    """Dark rims where watercolour dries."""

    tooth: float = 0.0
    """Tooth of drawing paper, which a pencil or a dry brush does not fill."""

    press: float = 0.0
    """A printing press: plates that miss one another, ink that does not cover."""

    ripple: float = 0.0
    """Ripples of old glass."""


@dataclass(frozen=True)
class VariantSettings:
    """One size class; `width` x `height` is its nominal size, `network` names its architecture."""

    id: str
    width: int
    height: int
    network: str
    steps: int = 0
    weights_of: str = ""
    """The id of an earlier variant whose weights this one runs at its own size; empty: it is trained itself."""


@dataclass(frozen=True)
class EffectSettings:
    """One style of the shared networks."""

    name: str
    title: str
    kind: str
    """One of `KINDS`."""

    teacher: Mapping[str, Any]
    """`method` and its parameters, which `teachers/registry.py` knows; paths are relative to the data folder."""

    artist: str = ""
    """Who painted the model, and when; empty for algorithms."""

    brush: BrushOfEffect = BrushOfEffect()
    relief: ReliefOfEffect = ReliefOfEffect()

    @property
    def painting(self) -> str | None:
        """The picture that is the effect's model, relative to the data folder, if it has one."""
        painting: str | None = self.teacher.get("painting")
        return painting

    @property
    def canvas_strength(self) -> float:
        """How strongly the canvas is given to a network that takes one; algorithms are painted without."""
        return self.brush.strength if self.painting is not None else 0.0


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. The place of an effect in `effects` is its index in the style vector."""

    name: str
    kind: str
    licence: str
    seed: int
    notes: tuple[str, ...]
    """What the card should say beyond the measurements."""

    contents: ContentSettings
    training: TrainingSettings
    variants: tuple[VariantSettings, ...]
    effects: tuple[EffectSettings, ...]
    brush: BrushSettings = BrushSettings()
    dropped: tuple[str, ...] = ()
    """What was tried and given up, with the reason; the card lists it."""

    @property
    def trained(self) -> tuple[VariantSettings, ...]:
        """The variants that have weights of their own."""
        return tuple(variant for variant in self.variants if not variant.weights_of)

    def source(self, variant: VariantSettings) -> VariantSettings:
        """The variant whose weights this one runs: mostly itself."""
        return self.variant(variant.weights_of) if variant.weights_of else variant

    def variant(self, id: str) -> VariantSettings:
        """The variant of that id."""
        for variant in self.variants:
            if variant.id == id:
                return variant
        known = ", ".join(variant.id for variant in self.variants)
        raise RecipeError(f"recipe {self.name!r} has no variant {id!r}; it has {known}")


def _checked(kind: type[T], table: dict[str, Any], where: str) -> T:
    optional = {f.name for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING}  # type: ignore[arg-type]
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := table.keys() - fields:
        raise RecipeError(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(fields)}")
    if missing := fields - optional - table.keys():
        raise RecipeError(f"{where}: missing keys {sorted(missing)}")
    return kind(**table)


def parse(text: str) -> Recipe:
    """Reads and checks the text of a recipe."""
    table = tomllib.loads(text)
    if table.pop("schema", None) != SCHEMA:
        raise RecipeError(f'the recipe must start with schema = "{SCHEMA}"')
    for key, kind in (("contents", ContentSettings), ("training", TrainingSettings)):
        table[key] = _checked(kind, table.get(key, {}), f"[{key}]")
    table["variants"] = tuple(
        _checked(VariantSettings, entry, f"variant {index}") for index, entry in enumerate(table.get("variants", []))
    )
    table["brush"] = _checked(BrushSettings, table.get("brush", {}), "[brush]")
    for index, entry in enumerate(table.get("effects", [])):
        entry["brush"] = _checked(BrushOfEffect, entry.get("brush", {}), f"effect {index}, brush")
        entry["relief"] = _checked(ReliefOfEffect, entry.get("relief", {}), f"effect {index}, relief")
    table["effects"] = tuple(
        _checked(EffectSettings, entry, f"effect {index}") for index, entry in enumerate(table.get("effects", []))
    )
    table["notes"] = tuple(table.get("notes", ()))
    table["dropped"] = tuple(table.get("dropped", ()))
    recipe = _checked(Recipe, table, "recipe")
    if not recipe.variants or not recipe.effects:
        raise RecipeError("a recipe needs at least one [[variants]] and one [[effects]] entry")
    for variant in recipe.variants:
        if variant.weights_of and recipe.source(variant) not in recipe.trained:
            raise RecipeError(f"variant {variant.id!r}: {variant.weights_of!r} has no weights of its own")
        if not variant.weights_of and variant.steps < 1:
            raise RecipeError(f"variant {variant.id!r} needs steps to train for, or weights_of")
        if recipe.source(variant).network != variant.network:
            raise RecipeError(f"variant {variant.id!r} runs the weights of another network than its own")
    names = [effect.name for effect in recipe.effects]
    if len(set(names)) != len(names):
        raise RecipeError("effect names must be unique")
    for effect in recipe.effects:
        if effect.kind not in KINDS:
            raise RecipeError(f"effect {effect.name!r}: unknown kind {effect.kind!r}; known are {', '.join(KINDS)}")
        if not isinstance(effect.teacher, Mapping) or not isinstance(effect.teacher.get("method"), str):
            raise RecipeError(f'effect {effect.name!r} needs a teacher, such as teacher = {{ method = "toon" }}')
    return recipe


def load(name_or_path: str) -> Recipe:
    """The recipe at a path, or the one of that name in `recipes/`."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = training_root() / "recipes" / f"{name_or_path}.toml"
    if not path.is_file():
        raise RecipeError(f"there is no recipe at {path}")
    return parse(path.read_text(encoding="utf-8"))
