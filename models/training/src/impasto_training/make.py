"""The whole chain for one recipe, and each of its steps: what the command line calls."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from impasto_training import card, credits, data, distil, export, pack, search, teach
from impasto_training.batches import Crops
from impasto_training.engine import Engine
from impasto_training.evaluate import Evaluation, Evaluator
from impasto_training.images import to_float
from impasto_training.recipe import Recipe, VariantSettings
from impasto_training.targets import TargetCache
from impasto_training.teachers.base import SIDE


@dataclass(frozen=True)
class Workshop:
    """A recipe with the folders it works in. Every step skips what its inputs say is done."""

    recipe: Recipe
    data_root: Path
    cache_root: Path
    packs_root: Path
    device: torch.device

    @cached_property
    def lesson(self) -> teach.Lesson:
        """Contents and style keys."""
        return teach.lesson(self.recipe, self.data_root)

    @property
    def cache(self) -> TargetCache:
        """The targets."""
        return TargetCache(self.cache_root)

    @property
    def pack_folder(self) -> Path:
        """Where the pack goes."""
        return self.packs_root / self.recipe.name

    def onnx_path(self, variant: VariantSettings) -> Path:
        """The exported file of a variant."""
        return self.pack_folder / f"{variant.id}.onnx"

    def checkpoint_path(self, variant: VariantSettings) -> Path:
        """The training state of a variant."""
        return distil.checkpoint_path(self.recipe, variant, self.cache_root)

    def evaluation_path(self, variant: VariantSettings) -> Path:
        """The measurements of a variant."""
        return self.checkpoint_path(variant).with_suffix(".json")

    def data(self) -> str:
        """A report of what there is to learn from."""
        lines = []
        for name in ("portraits", "scenes"):
            parts = Counter(photo.part for photo in data.scan(self.data_root / "photos" / name))
            lines.append(f"{name}: " + ", ".join(f"{parts[part]} {part}" for part in data.Part))
        views = Counter(content.view for content in self.lesson.training)
        lines.append("training contents: " + ", ".join(f"{count} {view}" for view, count in sorted(views.items())))
        lines.append(f"validation contents: {len(self.lesson.validation)}")
        wanted = [self.cache.target_path(c, s) for c in self.lesson.training for s in self.lesson.styles]
        lines.append(f"targets painted: {sum(path.exists() for path in wanted)} of {len(wanted)}")
        return "\n".join(lines)

    def teach(self) -> None:
        """Paints the missing targets."""
        teach.teach(self.recipe, self.data_root, self.cache_root, self.device)

    def distil(self, variant: VariantSettings, start_from: Path | None = None) -> None:
        """Trains a variant, from its checkpoint if there is one, else from `start_from`'s weights where given."""
        crops = Crops(self.cache, self.lesson.training, self.lesson.styles, self.recipe.training.crop)
        distil.distil(
            self.recipe,
            variant,
            crops,
            self.lesson.styles,
            self.data_root,
            self.cache_root,
            self.device,
            start_from,
        )

    def prune(self, variant: VariantSettings, keep: float, steps: int) -> str:
        """Cuts a trained variant down to `keep` of its hidden channels, retrains it and returns a table."""
        return search.table(
            search.prune(self.recipe, variant, keep, self.lesson, steps, self.data_root, self.cache_root, self.device)
        )

    def search(self, steps: int, picture: Path) -> str:
        """Compares other networks, draws them into `picture` and returns a table."""
        findings = search.search(self.recipe, self.lesson, steps, self.data_root, self.cache_root, self.device)
        picture.write_text(search.picture(findings), encoding="utf-8")
        return search.table(findings)

    def export(self) -> None:
        """Writes the networks, the thumbnails and `pack.toml`."""
        for variant in self.recipe.variants:
            student, _ = distil.load_average(self.checkpoint_path(variant), variant, len(self.recipe.effects))
            export.save(export.to_onnx(student, [e.name for e in self.recipe.effects]), self.onnx_path(variant))
        largest = max(self.recipe.variants, key=lambda variant: variant.width * variant.height)
        portrait = to_float(self.lesson.validation[0].picture(SIDE))
        pack.thumbnails(self.recipe, Engine(self.onnx_path(largest)), portrait, self.pack_folder)
        text = pack.pack_toml(self.recipe, self.packed(), credits.credits(self.recipe, self.lesson, self.data_root))
        (self.pack_folder / "pack.toml").write_text(text, encoding="utf-8")

    def packed(self) -> list[pack.PackedVariant]:
        """Measurements of the exported files."""
        return [pack.describe(variant, self.onnx_path(variant)) for variant in self.recipe.variants]

    def evaluate(self) -> None:
        """Measures every variant and paints its contact sheet, both beside its checkpoint."""
        distance = distil.perceptual_distance(self.data_root)
        evaluator = Evaluator(self.recipe, self.lesson, self.data_root, self.cache, distance)
        for variant in self.recipe.variants:
            student, _ = distil.load_average(self.checkpoint_path(variant), variant, len(self.recipe.effects))
            evaluation = evaluator.variant(variant, student, self.onnx_path(variant))
            evaluation.save(self.evaluation_path(variant))
            sheet = self.evaluation_path(variant).with_suffix(".png")
            evaluator.sheet(self.onnx_path(variant), sheet)
            print(f"{variant.id}: parity {evaluation.parity_psnr:.1f} dB, sheet {sheet}", file=sys.stderr)
            if evaluation.parity_psnr < card.PARITY_GATE_DB:
                raise ValueError(f"variant {variant.id} loses too much in export: {evaluation.parity_psnr:.1f} dB")

    def card(self) -> None:
        """Writes `CARD.md` from the measurements."""
        trainings = []
        for variant in self.recipe.variants:
            _, state = distil.load_average(self.checkpoint_path(variant), variant, len(self.recipe.effects))
            crops = state["step"] * self.recipe.training.batch
            trainings.append(card.Training(state["step"], crops, state["seconds"]))
        text = card.card(
            self.recipe,
            self.lesson,
            self.packed(),
            trainings,
            [Evaluation.load(self.evaluation_path(variant)) for variant in self.recipe.variants],
            credits.credits(self.recipe, self.lesson, self.data_root),
        )
        (self.pack_folder / "CARD.md").write_text(text, encoding="utf-8")

    def make(self) -> None:
        """All of it, in order."""
        self.teach()
        for variant in self.recipe.variants:
            self.distil(variant)
        self.export()
        self.evaluate()
        self.card()
