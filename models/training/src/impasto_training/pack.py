"""A pack: the folder that the app loads, with `pack.toml`, one `.onnx` per variant and one thumbnail per effect."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import onnx

from impasto_training import canvas, export
from impasto_training.easel import Easel
from impasto_training.images import FloatPicture, resize, save_picture, to_picture
from impasto_training.networks.student import STRIDE
from impasto_training.recipe import Recipe, ReliefOfEffect, VariantSettings
from impasto_training.scores import Brushwork, Evaluation, Groups

SCHEMA = "impasto.pack/1"
THUMBNAIL_SIDE = 160
THUMBNAIL_QUALITY = 85
THUMBNAIL_BYTES = 12_000


@dataclass(frozen=True)
class PackedVariant:
    """What `pack.toml` says about one network; everything is measured from the file."""

    id: str
    file: str
    sha256: str
    width: int
    height: int
    mmac: float
    params: int
    bytes: int
    canvas: int = 0
    """Channels of the canvas that the network takes; 0 for none."""


def command(recipe: Recipe) -> str:
    """What makes the pack again."""
    return f"python -m impasto_training make {recipe.name}"


def describe(variant: VariantSettings, path: Path) -> PackedVariant:
    """Measures an exported file."""
    content = path.read_bytes()
    model = onnx.load_model_from_string(content)
    return PackedVariant(
        id=variant.id,
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        width=variant.width,
        height=variant.height,
        mmac=round(export.multiply_adds(model, variant.width, variant.height) / 1e6, 1),
        params=export.parameters(model),
        bytes=len(content),
        canvas=export.canvas_channels(model),
    )


def thumbnails(recipe: Recipe, easel: Easel, portrait: FloatPicture, folder: Path) -> None:
    """Paints the portrait in every effect and writes `<effect>.jpg`, each below `THUMBNAIL_BYTES`."""
    for style, effect in enumerate(recipe.effects):
        painted = to_picture(easel.paint(portrait, style))
        small = resize(painted, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        path = folder / f"{effect.name}.jpg"
        quality = THUMBNAIL_QUALITY
        save_picture(small, path, quality)
        while path.stat().st_size > THUMBNAIL_BYTES and quality > 10:
            quality -= 5
            save_picture(small, path, quality)


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(value, ensure_ascii=False)


def _numbers(title: str, numbers: Mapping[str, float | None]) -> list[str]:
    """A table of numbers; what could not be measured, or is no number, is left out."""
    known = [(name, number) for name, number in numbers.items() if number is not None and math.isfinite(number)]
    return [f"[{title}]", *(f"{name} = {float(number):.6g}" for name, number in known)] if known else []


def _measured(evaluation: Evaluation) -> list[str]:
    """What a variant's entry says beyond its file; the first latency is the one that counts."""
    latency = evaluation.latencies[0] if evaluation.latencies else None
    numbers = {
        "parity_psnr": evaluation.parity_psnr,
        "latency_p50_ms": latency.p50_ms if latency else None,
        "latency_p95_ms": latency.p95_ms if latency else None,
        "input_flicker": evaluation.input_stability.flicker,
        "input_warping": evaluation.input_stability.warping,
        "input_clip_flicker": evaluation.input_stability.clips,
    }
    machine = f"{evaluation.machine}, load average {evaluation.load_average:.1f}, {latency.engine if latency else ''}"
    return [f"machine = {_text(machine.rstrip(', '))}", *_numbers("variants.measured", numbers)]


def _brushwork(brushwork: Brushwork | None) -> dict[str, float | None]:
    if brushwork is None:
        return {}
    return {
        "style_share": fmean(brushwork.share),
        "style_share_least": min(brushwork.share),
        "style_share_unseen": fmean(brushwork.unseen),
        "painting_found": brushwork.found,
        "motion": brushwork.motion,
        "motion_resampling": brushwork.resampling,
        "content": brushwork.content,
    }


def _scores(evaluation: Evaluation, effect: str) -> list[str]:
    """What the card says of an effect as that variant paints it."""
    for score in evaluation.effects:
        if score.name != effect:
            continue
        whole, face = (Groups.worst(score.groups.held_out, face) for face in (False, True))
        numbers = {
            "student_psnr": score.student.psnr,
            "student_ssim": score.student.ssim,
            "student_lpips": score.student.lpips,
            "portraits_psnr": score.portraits.psnr,
            "portraits_ssim": score.portraits.ssim,
            "portraits_lpips": score.portraits.lpips,
            "untouched_psnr": score.untouched.psnr,
            "untouched_ssim": score.untouched.ssim,
            "untouched_lpips": score.untouched.lpips,
            "colour": score.student.colour,
            "flicker": score.stability.flicker,
            "teacher_flicker": score.teacher_stability.flicker,
            "warping": score.stability.warping,
            "resampling": score.resampling,
            "teacher_warping": score.teacher_stability.warping,
            "given_flicker": score.given_stability.flicker if score.given_stability else None,
            "given_warping": score.given_stability.warping if score.given_stability else None,
            "clip_flicker": score.stability.clips,
            "teacher_clip_flicker": score.teacher_stability.clips,
            **_brushwork(score.brushwork),
            "worst_tone_group": whole[1] if whole else None,
            "worst_tone_group_face": face[1] if face else None,
        }
        return _numbers(f"effects.scores.{evaluation.variant}", numbers)
    return []


def _relief(relief: ReliefOfEffect) -> str:
    """The line that describes an effect's relief: what is not as it would be without; empty if nothing is."""
    usual = ReliefOfEffect()
    own = {name: value for name, value in asdict(relief).items() if value != getattr(usual, name)}
    return f"relief = {{ {', '.join(f'{name} = {value}' for name, value in own.items())} }}" if own else ""


def pack_toml(
    recipe: Recipe,
    variants: Sequence[PackedVariant],
    credit_lines: Sequence[str],
    evaluations: Sequence[Evaluation] = (),
) -> str:
    """The text of `pack.toml`. Evaluations of other files than those described are left out."""
    lines = [
        f"schema = {_text(SCHEMA)}",
        f"name = {_text(recipe.name)}",
        f"kind = {_text(recipe.kind)}",
        f"licence = {_text(recipe.licence)}",
        f"command = {_text(command(recipe))}",
        "credits = [",
        *(f"    {_text(line)}," for line in credit_lines),
        "]",
        f"multiple_of = {STRIDE}",
        "value_range = [0.0, 1.0]",
    ]
    channels = max((variant.canvas for variant in variants), default=0)
    if channels:
        lines += ["", "[canvas]", f"seed = {canvas.SEED}", f"channels = {channels}"]
    measured = {(evaluation.variant, evaluation.sha256): evaluation for evaluation in evaluations}
    current = [measured[key] for variant in variants if (key := (variant.id, variant.sha256)) in measured]
    for variant in variants:
        lines += [
            "",
            "[[variants]]",
            f"id = {_text(variant.id)}",
            f"file = {_text(variant.file)}",
            f"sha256 = {_text(variant.sha256)}",
            f"width = {variant.width}",
            f"height = {variant.height}",
            f"pixel_budget = {variant.width * variant.height}",
            f"mmac = {variant.mmac}",
            f"params = {variant.params}",
            f"bytes = {variant.bytes}",
        ]
        if (variant.id, variant.sha256) in measured:
            lines += _measured(measured[variant.id, variant.sha256])
    for style, effect in enumerate(recipe.effects):
        lines += [
            "",
            "[[effects]]",
            f"name = {_text(effect.name)}",
            f"title = {_text(effect.title)}",
            f"artist = {_text(effect.artist)}",
            f"kind = {_text(effect.kind)}",
            f"style = {style}",
            f"thumbnail = {_text(effect.name + '.jpg')}",
        ]
        if channels and effect.canvas_strength > 0.0:
            lines.append(f"canvas = {{ strength = {effect.canvas_strength}, scale = {effect.brush.scale} }}")
        if relief := _relief(effect.relief):
            lines.append(relief)
        for evaluation in current:
            lines += _scores(evaluation, effect.name)
    return "\n".join(lines) + "\n"
