"""The whole chain for one recipe, and each of its steps: what the command line calls."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from impasto_training import (
    brush_stage,
    card,
    credits,
    data,
    distil,
    evaluate,
    export,
    latency,
    pack,
    ports,
    quantise,
    scores,
    search,
    sheet,
    teach,
)
from impasto_training.balance import content_weights
from impasto_training.batches import Crops
from impasto_training.data import Content
from impasto_training.easel import Easel
from impasto_training.engine import Engine
from impasto_training.evaluate import Evaluator
from impasto_training.faces import FaceFinder
from impasto_training.images import FloatPicture, Picture, save_picture, to_float
from impasto_training.networks.student import Student
from impasto_training.recipe import Recipe, RecipeError, VariantSettings
from impasto_training.scores import HALF_GATE_DB, Evaluation, Ported, Ports, Trials
from impasto_training.sheet import Exhibit
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
        """The exported file of a variant; variants that run the same weights share it."""
        return self.pack_folder / f"{self.recipe.source(variant).id}.onnx"

    def checkpoint_path(self, variant: VariantSettings) -> Path:
        """The training state of a variant's weights."""
        return distil.checkpoint_path(self.recipe, self.recipe.source(variant), self.cache_root)

    def evaluation_path(self, variant: VariantSettings) -> Path:
        """The measurements of a variant."""
        return self.run_folder / f"{variant.id}.json"

    @property
    def run_folder(self) -> Path:
        """What belongs to the recipe's runs: checkpoints, measurements, contact sheets."""
        return self.cache_root / "runs" / self.recipe.name

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
        if variant.weights_of:
            raise RecipeError(f"variant {variant.id!r} runs the weights of {variant.weights_of!r}; train that one")
        training = self.recipe.training
        weights = content_weights(self.cache, self.lesson.training, self.data_root, training.tone_balance)
        crops = Crops(self.cache, self.lesson.training, self.lesson.styles, training.crop, weights)
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

    def brush_path(self, variant: VariantSettings) -> Path:
        """The state of a variant's brush stage."""
        return brush_stage.checkpoint_path(self.run_folder, self.recipe.source(variant))

    def brush(
        self,
        variant: VariantSettings,
        start_from: Path,
        steps: int,
        go_on_from: Path | None = None,
        only: Sequence[str] = (),
        seconds: float = math.inf,
        batch: int = 0,
    ) -> None:
        """Teaches an exported network to lay strokes, going on from the checkpoint where there is one.

        A new run begins with `start_from` and an untrained canvas, or with `go_on_from`, which has learned strokes.
        With `only`, the effects that it names alone. After so many `seconds` the run is over, done or not. A `batch`
        that is not 0 stands for the recipe's.
        """
        if variant.weights_of:
            raise RecipeError(f"variant {variant.id!r} runs the weights of {variant.weights_of!r}; brush that one")
        before = brush_stage.beginning(start_from, self.recipe, go_on_from)
        balance = self.recipe.training.tone_balance
        contents = brush_stage.contents(self.lesson, self.cache, self.data_root, balance, self.device)
        path = self.brush_path(variant)
        brush_stage.run(
            self.recipe, variant, before, contents, steps, self.data_root, path, self.device, only, seconds, batch
        )

    def mix(self, variant: VariantSettings, first: Path, second: Path, share: float) -> None:
        """Makes the mean of two checkpoints of the brush stage, `share` of the second, the variant's checkpoint."""
        brush_stage.mix(first, second, share, self.brush_path(variant))

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

    def trained(self, variant: VariantSettings) -> tuple[Student, dict[str, Any]]:
        """The student as far as it has been trained, in evaluation mode, and the checkpoint that it comes from."""
        brushed = self.brush_path(variant)
        if brushed.exists():
            return brush_stage.finished(self.recipe, self.recipe.source(variant), brushed)
        return distil.load_average(self.checkpoint_path(variant), variant, len(self.recipe.effects))

    def easel(self, variant: VariantSettings) -> Easel:
        """A variant as it is exported."""
        return Easel(Engine(self.onnx_path(variant), torch.get_num_threads()), self.recipe.effects)

    def export(self) -> None:
        """Writes the networks, the thumbnails and `pack.toml`."""
        for variant in self.recipe.trained:
            student, _ = self.trained(variant)
            export.save(export.to_onnx(student, [e.name for e in self.recipe.effects]), self.onnx_path(variant))
        largest = max(self.recipe.variants, key=lambda variant: variant.width * variant.height)
        portrait = to_float(self.lesson.validation[0].picture(SIDE))
        pack.thumbnails(self.recipe, self.easel(largest), portrait, self.pack_folder)
        self.describe()

    def ports_path(self, variant: VariantSettings) -> Path:
        """What is known about a variant's files for other runtimes."""
        return self.run_folder / f"{variant.id}.ports.json"

    def port(self, format: str, folder: Path) -> None:
        """Writes every variant's network for another runtime, at its own size, and notes what was measured."""
        for variant in self.recipe.trained:
            student, _ = self.trained(variant)
            made = ports.write(format, student, variant, self.onnx_path(variant), folder)
            known = self.ports(variant)
            rest = tuple(other for other in known if other.format != format)
            sha256 = pack.describe(variant, self.onnx_path(variant)).sha256
            scores.save(Ports(sha256, (*rest, made)), self.ports_path(variant))
            parity = "" if made.psnr is None else f", worst {made.psnr:.1f} dB, {made.ms:.1f} ms"
            print(f"{variant.id}: {format}, {made.bytes / 1000:.0f} kB{parity}", file=sys.stderr)

    def ports(self, variant: VariantSettings) -> tuple[Ported, ...]:
        """What was written of the file as it is."""
        path = self.ports_path(variant)
        if not path.exists():
            return ()
        known = scores.load(Ports, path)
        return known.ported if known.sha256 == pack.describe(variant, self.onnx_path(variant)).sha256 else ()

    def describe(self) -> None:
        """Writes `pack.toml`, with the scores of the files as they are if they have been measured."""
        text = pack.pack_toml(self.recipe, self.packed(), self.credits, self.evaluations())
        (self.pack_folder / "pack.toml").write_text(text, encoding="utf-8")

    @cached_property
    def credits(self) -> list[str]:
        """Whom the pack owes thanks."""
        return credits.credits(self.recipe, self.lesson, self.data_root)

    def evaluations(self) -> list[Evaluation]:
        """The measurements there are, of whatever files they were made."""
        paths = [self.evaluation_path(variant) for variant in self.recipe.variants]
        return [Evaluation.load(path) for path in paths if path.exists()]

    def packed(self) -> list[pack.PackedVariant]:
        """Measurements of the exported files."""
        return [pack.describe(variant, self.onnx_path(variant)) for variant in self.recipe.variants]

    def evaluator(self, quick: bool = False) -> Evaluator:
        """What measures the variants."""
        extent = evaluate.QUICK if quick else evaluate.FULL
        distance = distil.perceptual_distance(self.data_root)
        return Evaluator(self.recipe, self.lesson, self.data_root, self.cache_root, distance, extent)

    def judge(self, quick: bool = False) -> None:
        """Measures what no student changes: teachers' stability, photos' likeness. Kept in the cache."""
        self.evaluator(quick).prepare()

    def evaluate(self, quick: bool = False, only: str | None = None) -> None:
        """Measures every variant (or one); the numbers go beside its checkpoint and into `pack.toml`."""
        evaluator = self.evaluator(quick)
        for variant in [self.recipe.variant(only)] if only else self.recipe.variants:
            path = self.onnx_path(variant)
            if variant.weights_of:
                # Likeness and stability are measured at one size, whatever the variant's.
                known = Evaluation.load(self.evaluation_path(self.recipe.source(variant)))
                evaluation = self._timed(replace(known, variant=variant.id), variant)
            else:
                student, _ = self.trained(variant)
                evaluation = evaluator.variant(variant, student, path)
            evaluation.save(self.evaluation_path(variant))
            print(f"{variant.id}: parity {evaluation.parity_psnr:.1f} dB, {evaluation.seconds:.0f} s", file=sys.stderr)
            if evaluation.parity_psnr < HALF_GATE_DB:
                raise ValueError(f"variant {variant.id} loses too much in export: {evaluation.parity_psnr:.1f} dB")
        self.describe()

    def time(self) -> None:
        """Measures latency again, for evaluations that were made while the machine was busy."""
        for variant in self.recipe.variants:
            evaluation = self._timed(Evaluation.load(self.evaluation_path(variant)), variant)
            evaluation.save(self.evaluation_path(variant))
            for run in evaluation.latencies:
                print(f"{variant.id}: {run.p50_ms:.1f} ms by {run.engine}", file=sys.stderr)
        self.describe()

    def _timed(self, evaluation: Evaluation, variant: VariantSettings) -> Evaluation:
        path = self.onnx_path(variant)
        return replace(
            evaluation,
            load_average=latency.load_average(),
            machine=latency.machine(),
            latencies=latency.measure(path.parent, self.recipe.effects[0].name, variant, path),
        )

    @property
    def sheet_folder(self) -> Path:
        """Where the contact sheets go."""
        return self.run_folder / "sheets"

    def sheet(self) -> None:
        """Paints a contact sheet per effect, to be looked at."""
        photos = self.data_root / "photos"
        shown = sheet.exhibits(
            data.scan(photos / "portraits"),
            data.scan(photos / "scenes"),
            self.data_root / "clips",
            FaceFinder(self.data_root),
            SIDE,
        )
        self.sheet_folder.mkdir(parents=True, exist_ok=True)
        listing = "".join(f"{exhibit.label}\n" for exhibit in shown)
        (self.sheet_folder / "contents.txt").write_text(listing, encoding="utf-8")
        easels = [(v, self.easel(v)) for v in self.recipe.variants]
        teachers = [teach.teacher(effect, self.data_root) for effect in self.recipe.effects]

        def teacher(style: int, exhibit: Exhibit) -> Picture:
            known = exhibit.content and self.cache.target_path(exhibit.content, self.lesson.styles[style])
            return self.cache.read(known) if known and known.exists() else teachers[style].paint(exhibit.picture)

        for style, effect in enumerate(self.recipe.effects):
            rows = [("teacher", partial(teacher, style))]
            for variant, easel in easels:
                rows.append((variant.id.upper(), partial(sheet.student, easel, variant.width * variant.height, style)))
            save_picture(sheet.compose(shown, rows), self.sheet_folder / f"{effect.name}.jpg")
        print(f"contact sheets: {self.sheet_folder}", file=sys.stderr)

    def quantised_path(self, variant: VariantSettings) -> Path:
        """What is known about a variant's int8 builds."""
        return self.run_folder / f"{variant.id}.int8.json"

    def quantise(self) -> None:
        """Tries int8 builds of every variant and notes how good and how fast they are."""
        names = [effect.name for effect in self.recipe.effects]
        for variant in self.recipe.trained:
            student, _ = self.trained(variant)
            trials = quantise.trial(
                student,
                names,
                self._squares(self.lesson.training, quantise.CALIBRATION_PICTURES),
                self._squares(self.lesson.validation, quantise.JUDGED_PICTURES),
                (variant.width, variant.height),
                torch.get_num_threads(),
            )
            report = Trials(pack.describe(variant, self.onnx_path(variant)).sha256, tuple(trials))
            scores.save(report, self.quantised_path(variant))
            for trial in trials:
                time = "" if trial.latency_ratio is None else f", {trial.latency_ratio:.2f} of float32's time"
                verdict = "passes" if trial.ships else "does not pass"
                print(f"{variant.id}: {trial.method}: {trial.psnr:.1f} dB{time}: {verdict}", file=sys.stderr)

    def _squares(self, contents: Sequence[Content], wanted: int) -> list[FloatPicture]:
        """The first `wanted` pictures that have been painted."""
        paths = [self.cache.content_path(content) for content in contents]
        return [to_float(self.cache.read(path)) for path in paths if path.exists()][:wanted]

    def card(self) -> None:
        """Writes `CARD.md` from the measurements."""
        subjects = []
        for variant, packed in zip(self.recipe.variants, self.packed(), strict=True):
            evaluation = Evaluation.load(self.evaluation_path(variant))
            if evaluation.sha256 != packed.sha256:
                raise ValueError(f"variant {variant.id} was measured before it was exported; run evaluate first")
            _, state = self.trained(variant)
            training = card.Training(state["step"], state["step"] * self.recipe.training.batch, state["seconds"])
            tried = self.quantised_path(variant)
            trials = scores.load(Trials, tried) if tried.exists() else Trials("", ())
            current = trials.quantised if trials.sha256 == packed.sha256 else ()
            ported = () if variant.weights_of else self.ports(variant)
            subjects.append(card.Subject(packed, training, evaluation, current, variant.weights_of, ported))
        text = card.card(self.recipe, self.lesson, subjects, self.credits)
        (self.pack_folder / "CARD.md").write_text(text, encoding="utf-8")

    def make(self) -> None:
        """All of it, in order."""
        self.teach()
        for variant in self.recipe.trained:
            self.distil(variant)
        self.export()
        self.evaluate()
        self.card()
        self.sheet()
