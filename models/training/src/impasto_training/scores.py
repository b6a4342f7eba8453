"""What is measured about a variant, as plain data: `evaluate` fills it in, `card` and `pack` write it down.

All differences between pictures are means of |difference| in steps of 1/255. `None` stands for what could not be
measured with the data at hand (no clips, no second skin-tone group, ...); it is never a zero.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

LPIPS_GOAL = 0.20
"""LPIPS-sq on portraits, for the variants in `LPIPS_GOAL_VARIANTS`."""

LPIPS_GOAL_VARIANTS = ("m", "l")
FLICKER_GOAL = 1.5
WARPING_GOAL = 0.5
"""Share of the teacher's warping error."""

SHARE_GOALS = {"s": 0.5, "m": 0.6}
"""Mean style share, by variant."""

LAYER_SHARE_GOAL = 0.4
"""Style share of every layer, for the largest of these variants."""

FOUND_GOAL = 0.9
MOTION_GOAL = 2.5
"""Error under motion over what resampling alone causes."""

GROUP_GOAL = 1.10
"""A skin-tone group's LPIPS-sq over the mean of the groups."""

HALF_GATE_DB = 45.0
INT8_GATE_DB = 35.0


@dataclass(frozen=True)
class Likeness:
    """Against the teacher, mean over pictures. `colour` is the spread of the colours over the teacher's."""

    psnr: float
    ssim: float
    lpips: float
    colour: float

    @staticmethod
    def mean(scores: Sequence[Likeness]) -> Likeness:
        """Field by field."""
        return Likeness(*(fmean(getattr(score, f.name) for score in scores) for f in dataclasses.fields(Likeness)))


@dataclass(frozen=True)
class GroupScore:
    """LPIPS-sq of the portraits of one skin-tone group, over the whole picture and over the face alone."""

    group: str
    portraits: int
    lpips: float
    face_lpips: float


@dataclass(frozen=True)
class Groups:
    """The groups of one set of portraits; a group without portraits is absent."""

    held_out: tuple[GroupScore, ...]
    trained_on: tuple[GroupScore, ...]

    @staticmethod
    def worst(groups: Sequence[GroupScore], face: bool) -> tuple[str, float] | None:
        """(group, its LPIPS-sq over the mean of the groups' means) of the worst; none for less than two groups.

        `face` looks at the face alone instead of the whole portrait.
        """
        if len(groups) < 2:
            return None
        values = {group.group: group.face_lpips if face else group.lpips for group in groups}
        worst = max(values, key=lambda name: values[name])
        return worst, values[worst] / fmean(values.values())


@dataclass(frozen=True)
class Stability:
    """How restless a painter is. `motions` goes in step with `stability.MOTIONS`."""

    flicker: float
    """A still scene twice under sensor noise."""

    motions: tuple[float, ...]
    """Warping error per kind of exact synthetic camera motion."""

    clips: float | None
    """Successive frames of real clips, where nothing moves."""

    @property
    def warping(self) -> float:
        """Mean warping error."""
        return fmean(self.motions)


@dataclass(frozen=True)
class Brushwork:
    """How one variant paints one painting's effect; means over held-out portraits. See `brush_judge`."""

    share: tuple[float, ...]
    """Style share by layer of `brushwork.STYLE_LAYERS`: 0 is the photo, 1 the raw teacher."""

    unseen: tuple[float, ...]
    """By layer of `UNSEEN_LAYERS`."""

    found: float
    """Share of the portraits whose nearest painting, by Gram matrices, is the right one."""

    flicker: float
    motion: float
    """Error under exact motion with the canvas carried along."""

    resampling: float
    """What of it resampling alone causes."""

    content: float
    """Distance of deep features to the photo."""


@dataclass(frozen=True)
class EffectScore:
    """One effect of one variant."""

    name: str
    student: Likeness
    portraits: Likeness
    untouched: Likeness
    groups: Groups
    stability: Stability
    resampling: float
    """The part of the student's warping error that any painter with lines as crisp has, see `stability`."""

    teacher_stability: Stability
    given_stability: Stability | None
    """Of the given network as it is, where the teacher is that network calmed; else none."""

    brushwork: Brushwork | None = None
    """Of paintings that have been through the brush stage."""

    @property
    def restless(self) -> Stability:
        """What the student's calm is held against: the given network where there is one, else the teacher."""
        return self.given_stability or self.teacher_stability


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one run of the network."""

    engine: str
    """Who ran it, in words for people."""

    width: int
    height: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Quantised:
    """A build with smaller numbers, tried."""

    method: str
    bytes: int
    psnr: float
    """Worst over effects and pictures, against float32 arithmetic on float32 weights, dB."""

    latency_ratio: float | None
    """Its time over the float32 build's, medians of runs in turns in one process."""

    gate_db: float

    @property
    def ships(self) -> bool:
        """Passes the gate, and is not slower."""
        return self.psnr >= self.gate_db and (self.latency_ratio is None or self.latency_ratio < 1.0)


@dataclass(frozen=True)
class Trials:
    """The builds that were tried of one shipped file."""

    sha256: str
    quantised: tuple[Quantised, ...]


@dataclass(frozen=True)
class Ported:
    """A variant as a file for another runtime."""

    format: str
    bytes: int
    psnr: float | None
    """Worst over styles and pictures against the student in float32, dB; none where the runtime does not run here."""

    ms: float | None
    """Median of a run on one thread of this machine's processor."""

    ms_onnx: float | None
    """The same of the ONNX file by ONNX Runtime, in turns."""


@dataclass(frozen=True)
class Ports:
    """What was written of one shipped file."""

    sha256: str
    ported: tuple[Ported, ...]


@dataclass(frozen=True)
class Evaluation:
    """Everything that a card says about one variant."""

    variant: str
    sha256: str
    """Of the file that was measured."""

    pictures: int
    portrait_pictures: int
    stability_pictures: int
    clip_names: tuple[str, ...]
    clip_frames: int
    quick: bool
    """Fewer pictures than usual."""

    input_stability: Stability
    parity_psnr: float
    parity_max: float
    latencies: tuple[Latency, ...]
    machine: str
    load_average: float
    """Of the machine, while the latency was measured."""

    seconds: float
    """What the measuring took."""

    effects: tuple[EffectScore, ...]

    def save(self, path: Path) -> None:
        """Writes JSON."""
        save(self, path)

    @classmethod
    def load(cls, path: Path) -> Evaluation:
        """Reads what `save` wrote."""
        return load(cls, path)


def save(value: Any, path: Path) -> None:
    """Writes a dataclass of this module as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(value), indent=1), encoding="utf-8")


def load(kind: type[T], path: Path) -> T:
    """Reads what `save` wrote."""
    value: T = restored(kind, json.loads(path.read_text(encoding="utf-8")))
    return value


def restored(kind: Any, value: Any) -> Any:
    """Plain JSON values as what the type says: dataclasses, tuples, options, scalars."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        assert isinstance(kind, type)
        return kind(
            **{
                field.name: restored(hints[field.name], value[field.name])
                for field in dataclasses.fields(kind)
                if field.name in value or field.default is dataclasses.MISSING
            }
        )
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(restored(arguments[0], item) for item in value)
    if origin in (Union, types.UnionType):
        return None if value is None else restored(next(a for a in arguments if a is not type(None)), value)
    return value
