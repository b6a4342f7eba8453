"""Measuring exported variants on held-out pictures, beside their teachers and the untouched photo.

- *Likeness*: PSNR, SSIM, LPIPS-sq and the spread of the colours against the teacher's painting.
- *Groups*: LPIPS-sq by estimated skin tone (`skin`), on held-out portraits and on some that were trained on.
- *Stability*: still scenes under noise, exact motion, real clips (`stability`).
- *Brushwork*: of paintings, where the network takes a canvas: what has come over and how calm it is (`brush_judge`).
- *Parity*: the exported file against the network in float32.
- *Latency*: by the app where it is built (`latency`).

What does not depend on the student (the teacher's stability, the photo's likeness) is kept in
`<cache>/judged/<style key>.json`, under a hash of everything else that it depends on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from impasto_training import brush_judge, canvas, clips, latency, metrics, scores, stability
from impasto_training.data import Content, View
from impasto_training.easel import Easel
from impasto_training.engine import Engine
from impasto_training.faces import Face, FaceFinder
from impasto_training.images import FloatPicture, Picture, centre_square, load_picture, resize, to_float
from impasto_training.metrics import Perceived
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.networks.student import Student
from impasto_training.recipe import Recipe, VariantSettings
from impasto_training.scores import Brushwork, EffectScore, Evaluation, Groups, GroupScore, Likeness, Stability
from impasto_training.skin import GROUPS, Tone, tone
from impasto_training.targets import TargetCache
from impasto_training.teach import Lesson, content_picture, teacher
from impasto_training.teachers.arbitrary_style import FOLDER, METHOD, ArbitraryStyle
from impasto_training.teachers.base import Teacher

T = TypeVar("T")

PARITY_SIZES = ((320, 192), (192, 320), (512, 288))
CLIPS = 3
CLIP_FIRST = 12
"""Frames of a clip before this one are left out: cameras and encoders settle."""

FACE_STEP = 16
"""Faces are cut out on this grid, so that their features fall on the same places in all paintings."""


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    stability_pictures: int = 3
    clip_frames: int = 5
    trained_on_per_group: int = 6
    scenes: int | None = None
    """At most this many held-out scenes; all that the recipe names where it is none."""


FULL = Extent()
QUICK = Extent(stability_pictures=1, clip_frames=3, trained_on_per_group=3, scenes=3)


@dataclass(frozen=True)
class _Distances:
    by_layer: tuple[float, ...]


def _stacked(pictures: Sequence[FloatPicture]) -> torch.Tensor:
    """Pictures `[H, W, 3]` as `[N, 3, H, W]`."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class Portrait:
    """A portrait whose face was found and whose skin tone could be estimated."""

    content: Content
    face: Face
    tone: Tone


def parity(student: Student, engine: Engine, seed: int) -> tuple[float, float]:
    """(worst PSNR in dB, largest |difference|) of the exported file against torch, over sizes and styles.

    A network that takes a canvas is given noise.
    """
    generator = torch.Generator().manual_seed(seed)
    worst, largest = float("inf"), 0.0
    for width, height in PARITY_SIZES:
        image = torch.rand(1, 3, height, width, generator=generator)
        image = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
        channels = student.architecture.canvas
        noise = torch.rand(1, channels, height // 2, width // 2, generator=generator) * 2.0 - 1.0 if channels else None
        for style in range(student.styles):
            with torch.no_grad():
                vector = torch.nn.functional.one_hot(torch.tensor([style]), student.styles).float()
                expected = student(image, vector, noise)[0].permute(1, 2, 0).numpy()
            given = None if noise is None else noise[0].numpy()
            got = engine.paint(image[0].permute(1, 2, 0).numpy(), style, given)
            worst = min(worst, metrics.psnr(got, expected))
            largest = max(largest, float(np.abs(got - expected).max()))
    return worst, largest


def face_slices(face: Face, side: int) -> tuple[slice, slice]:
    """(rows, columns) of the face, grown to the grid of `FACE_STEP`."""

    def grown(low: int, high: int) -> slice:
        low = low // FACE_STEP * FACE_STEP
        return slice(low, min(max(-(-high // FACE_STEP) * FACE_STEP, low + 4 * FACE_STEP), side))

    return grown(face.top, face.bottom), grown(face.left, face.right)


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class Memory:
    """Numbers about one style that no student changes, kept in a file under a hash of what they depend on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def knows(self, facts: dict[str, Any]) -> bool:
        """Whether there is an answer for these facts."""
        return _digest(facts) in self._table()

    def _table(self) -> dict[str, Any]:
        table: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        return table

    def recall(self, kind: type[T], facts: dict[str, Any], measure: Callable[[], T]) -> T:
        """The stored answer for these facts, or a fresh one, which is then stored."""
        table, key = self._table(), _digest(facts)
        if key not in table:
            value = measure()
            # Someone else may have stored another answer in the meantime.
            table = self._table()
            table[key] = {**facts, "answer": asdict(value)}  # type: ignore[call-overload]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(table, indent=1), encoding="utf-8")
            part.replace(self._path)
        answer: T = scores.restored(kind, table[key]["answer"])
        return answer


class Evaluator:
    """Measures the variants of one recipe; what is the same for all of them is measured once."""

    def __init__(
        self,
        recipe: Recipe,
        lesson: Lesson,
        data_root: Path,
        cache_root: Path,
        distance: LpipsSqueeze,
        extent: Extent = FULL,
    ) -> None:
        self.recipe = recipe
        self.lesson = lesson
        self.data_root = data_root
        self.cache_root = cache_root
        self.cache = TargetCache(cache_root)
        self.distance = distance
        self.extent = extent
        self.painted: dict[str, dict[int, Picture]] = {}
        """What teachers made of the pictures of `scenes`, by style key and the picture's identity."""

        portraits = data_root / "photos" / "portraits"
        faces = [content for content in lesson.validation if portraits in content.photos[0].path.parents]
        scenes = [content for content in lesson.validation if content not in faces]
        self.contents = [*faces, *scenes[: extent.scenes]]
        self.portrait_count = len(faces)
        self.training_portraits = [
            content
            for content in lesson.training
            if content.view is View.WHOLE and portraits in content.photos[0].path.parents
        ]

    @cached_property
    def finder(self) -> FaceFinder:
        """The face detector."""
        return FaceFinder(self.data_root)

    def photo(self, content: Content) -> Picture:
        """The untouched picture."""
        return content_picture(content, self.cache, self.finder)

    def target(self, content: Content, style: int) -> FloatPicture:
        """The teacher's painting; painted now, and kept, where `teach` has not."""
        path = self.cache.target_path(content, self.lesson.styles[style])
        if not path.exists():
            self.cache.write(path, self.teachers[style].paint(self.photo(content)))
        return to_float(self.cache.read(path))

    def memory(self, style: int) -> Memory:
        """What is known about a style apart from students."""
        return Memory(self.cache_root / "judged" / f"{self.lesson.styles[style]}.json")

    @cached_property
    def teachers(self) -> list[Teacher]:
        """One per effect."""
        return [teacher(effect, self.data_root) for effect in self.recipe.effects]

    @cached_property
    def clips(self) -> list[clips.Clip]:
        """The clips of the stability test."""
        return clips.find(self.data_root / "clips", CLIPS)

    @cached_property
    def scenes(self) -> stability.Scenes:
        """The pictures of the stability tests: portraits and places in turns."""
        faces, places = self.contents[: self.portrait_count], self.contents[self.portrait_count :]
        longest = range(max(len(faces), len(places)))
        turns = [part[i] for i in longest for part in (faces, places) if i < len(part)]
        pictures = [self.photo(content) for content in turns[: self.extent.stability_pictures]]
        side = pictures[0].shape[0]
        frames = [clip.frames(side, CLIP_FIRST, self.extent.clip_frames) for clip in self.clips]
        return stability.Scenes(pictures, frames, self.recipe.seed)

    @cached_property
    def scenes_facts(self) -> dict[str, Any]:
        """Everything that `scenes` depends on, by the pictures themselves."""
        digest = hashlib.sha256()
        for pair, views in zip(self.scenes.pairs, self.scenes.views, strict=True):
            for picture in (*pair, *views):
                digest.update(picture.tobytes())
        for frames, mask in self.scenes.clips:
            digest.update(mask.tobytes())
            for frame in frames:
                digest.update(frame.tobytes())
        return {"what": "stability", "pictures": digest.hexdigest()[:16], "edge": stability.EDGE}

    @cached_property
    def input_stability(self) -> Stability:
        """Of the pictures themselves."""
        return self.scenes.measure(to_float)

    def teacher_stability(self, style: int) -> Stability:
        """Of the teacher, as it paints targets."""

        def measure() -> Stability:
            painted = self.painted.get(self.lesson.styles[style], {})
            return self.scenes.measure(
                lambda picture: to_float(painted[id(picture)] if painted else self.teachers[style].paint(picture))
            )

        return self.memory(style).recall(Stability, self.scenes_facts, measure)

    def given_stability(self, style: int) -> Stability | None:
        """Of the network behind a painting's teacher, once on the bare picture; none for other teachers."""
        effect = self.recipe.effects[style]
        if effect.teacher["method"] != METHOD or effect.painting is None:
            return None
        painting = load_picture(self.data_root / effect.painting)

        def measure() -> Stability:
            network = ArbitraryStyle(self.data_root / FOLDER)
            code = network.style_code(painting)
            return self.scenes.measure(lambda picture: network.paint_once(to_float(picture), code))

        facts = self.scenes_facts | {"what": "stability of the network as given"}
        return self.memory(style).recall(Stability, facts, measure)

    def untouched(self, style: int) -> Likeness:
        """How far the photos themselves are from the teacher's paintings."""
        facts = {"what": "untouched", "contents": [content.id for content in self.contents]}

        def measure() -> Likeness:
            return Likeness.mean([self.likeness(to_float(self.photo(c)), self.target(c, style)) for c in self.contents])

        return self.memory(style).recall(Likeness, facts, measure)

    def likeness(self, painted: FloatPicture, target: FloatPicture) -> Likeness:
        """Of one painting."""
        return Likeness(
            psnr=metrics.psnr(painted, target),
            ssim=metrics.ssim(painted, target),
            lpips=Perceived(target, self.distance).lpips(painted),
            colour=metrics.colour_spread(painted) / max(metrics.colour_spread(target), 1e-3),
        )

    @cached_property
    def sitters(self) -> tuple[list[Portrait], list[Portrait]]:
        """(held out, trained on) portraits with a tone; of the latter a few per group, spread in lightness."""

        def rated(contents: Sequence[Content]) -> list[Portrait]:
            found = []
            for content in contents:
                face = self.finder.find(self.photo(content))
                skin = tone(self.photo(content), face) if face else None
                if face is not None and skin is not None:
                    found.append(Portrait(content, face, skin))
            return found

        chosen = []
        trained_on = rated(self.training_portraits)
        for group in GROUPS:
            members = sorted((p for p in trained_on if p.tone.group == group), key=lambda p: p.tone.lab[0])
            places = np.linspace(0, len(members) - 1, min(self.extent.trained_on_per_group, len(members)))
            chosen += [members[place] for place in places.round().astype(int)]
        return rated(self.contents[: self.portrait_count]), chosen

    def raw_teacher(self, style: int) -> tuple[float, ...]:
        """Gram distances of the given network's paintings of the held-out portraits to its painting, by layer."""
        effect = self.recipe.effects[style]
        assert effect.painting is not None
        painting = load_picture(self.data_root / effect.painting)
        portraits = self.contents[: self.portrait_count]
        facts = {
            "what": "brushwork of the network as given",
            "contents": [content.id for content in portraits],
            "side": brush_judge.SIDE,
        }

        def measure() -> _Distances:
            network = ArbitraryStyle(self.data_root / FOLDER)
            code = network.style_code(painting)
            painted = _stacked([network.paint_once(to_float(self.photo(content)), code) for content in portraits])
            found = brush_judge.distances(self.distance, painted, self.goals[style])
            return _Distances(tuple(found.mean(dim=0).tolist()))

        return self.memory(style).recall(_Distances, facts, measure).by_layer

    @cached_property
    def goals(self) -> dict[int, list[torch.Tensor]]:
        """Gram matrices of every painting, by style."""
        found = {}
        for style, effect in enumerate(self.recipe.effects):
            if effect.painting is not None:
                square = centre_square(load_picture(self.data_root / effect.painting))
                picture = to_float(resize(square, brush_judge.SIDE, brush_judge.SIDE))
                found[style] = brush_judge.goal_grams(self.distance, _stacked([picture]))
        return found

    @cached_property
    def judge(self) -> brush_judge.Judge:
        """The held-out portraits, and the canvas."""
        photos = [to_float(self.photo(content)) for content in self.contents[: self.portrait_count]]
        return brush_judge.Judge(_stacked(photos), self.distance, canvas.as_tensor(canvas.SEED))

    def brushwork(self, easel: Easel, style: int) -> Brushwork | None:
        """Of a painting's effect, where the network takes a canvas."""
        effect = self.recipe.effects[style]
        if not easel.engine.canvas_channels or effect.painting is None or not self.portrait_count:
            return None
        strength = effect.canvas_strength

        def paint(pictures: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            pairs = zip(pictures.permute(0, 2, 3, 1).numpy(), (noise * strength).numpy(), strict=True)
            return _stacked([easel.engine.paint(picture, style, given) for picture, given in pairs])

        place = list(self.goals).index(style)
        goals = list(self.goals.values())
        return self.judge.effect(paint, place, goals, self.raw_teacher(style), effect.brush.scale)

    def groups(self, painted_already: Mapping[str, FloatPicture], easel: Easel, style: int) -> Groups:
        """LPIPS-sq by skin-tone group; `painted_already` holds paintings by content id."""

        def scored(portraits: Sequence[Portrait]) -> tuple[GroupScore, ...]:
            pairs: dict[str, list[tuple[float, float]]] = {}
            for portrait in portraits:
                known = painted_already.get(portrait.content.id)
                painted = easel.paint(to_float(self.photo(portrait.content)), style) if known is None else known
                target = self.target(portrait.content, style)
                face = face_slices(portrait.face, painted.shape[0])
                pairs.setdefault(portrait.tone.group, []).append(
                    (
                        Perceived(target, self.distance).lpips(painted),
                        Perceived(target[face], self.distance).lpips(painted[face]),
                    )
                )
            return tuple(
                GroupScore(
                    group,
                    len(pairs[group]),
                    float(np.mean([whole for whole, _ in pairs[group]])),
                    float(np.mean([face for _, face in pairs[group]])),
                )
                for group in GROUPS
                if group in pairs
            )

        held_out, trained_on = self.sitters
        return Groups(scored(held_out), scored(trained_on))

    def effect(self, easel: Easel, style: int) -> EffectScore:
        """All numbers of one effect."""
        painted = {content.id: easel.paint(to_float(self.photo(content)), style) for content in self.contents}
        student = [self.likeness(painted[content.id], self.target(content, style)) for content in self.contents]
        return EffectScore(
            name=self.recipe.effects[style].name,
            student=Likeness.mean(student),
            portraits=Likeness.mean(student[: self.portrait_count] or student),
            untouched=self.untouched(style),
            groups=self.groups(painted, easel, style),
            stability=self.scenes.measure(
                lambda picture: easel.paint(to_float(picture), style),
                lambda picture, motion: easel.paint_moved(picture, motion, style),
            ),
            resampling=self.scenes.resampling(lambda picture: easel.paint(to_float(picture), style)),
            teacher_stability=self.teacher_stability(style),
            given_stability=self.given_stability(style),
            brushwork=self.brushwork(easel, style),
        )

    def prepare(self) -> None:
        """Fills the memory: everything about teachers and photos, so that variants can be measured quickly later.

        Teachers take turns at each picture, as algorithms share what they start from (`teachers.base.Scene`).
        """
        missing = [
            style
            for style in range(len(self.recipe.effects))
            if not self.memory(style).knows(self.scenes_facts) and self.lesson.styles[style] not in self.painted
        ]
        for picture in tqdm(self.scenes.pictures() if missing else [], unit="picture", desc="judge the teachers"):
            for style in missing:
                self.painted.setdefault(self.lesson.styles[style], {})[id(picture)] = self.teachers[style].paint(
                    picture
                )
        sitters = [portrait.content for portrait in self.sitters[1]]
        for content in tqdm([*self.contents, *sitters], unit="picture", desc="paint what is missing"):
            for style in range(len(self.recipe.effects)):
                self.target(content, style)
        for style in tqdm(range(len(self.recipe.effects)), unit="style", desc="judge the photos"):
            self.teacher_stability(style)
            self.given_stability(style)
            self.untouched(style)

    def variant(self, variant: VariantSettings, student: Student, onnx_path: Path) -> Evaluation:
        """All numbers of one variant."""
        start = time.perf_counter()
        self.prepare()
        engine = Engine(onnx_path, torch.get_num_threads())
        easel = Easel(engine, self.recipe.effects)
        parity_psnr, parity_max = parity(student, engine, self.recipe.seed)
        load = latency.load_average()
        latencies = latency.measure(onnx_path.parent, self.recipe.effects[0].name, variant, onnx_path)
        styles = tqdm(range(len(self.recipe.effects)), unit="effect", desc=f"evaluate {variant.id}")
        effects = tuple(self.effect(easel, style) for style in styles)
        return Evaluation(
            variant=variant.id,
            sha256=hashlib.sha256(onnx_path.read_bytes()).hexdigest(),
            pictures=len(self.contents),
            portrait_pictures=self.portrait_count,
            stability_pictures=len(self.scenes.pairs),
            clip_names=tuple(clip.name for clip in self.clips),
            clip_frames=self.extent.clip_frames,
            quick=self.extent != FULL,
            input_stability=self.input_stability,
            parity_psnr=parity_psnr,
            parity_max=parity_max,
            latencies=latencies,
            machine=latency.machine(),
            load_average=load,
            seconds=time.perf_counter() - start,
            effects=effects,
        )
