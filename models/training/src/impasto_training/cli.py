"""The command line: `python -m impasto_training COMMAND RECIPE`."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from impasto_training import paths, recipe
from impasto_training.recipe import RecipeError

FIXTURE = "fixture"
OWN = "own"
OWN_HELP = "teach a finished pack's networks one more painting, in minutes"
COMMANDS = {
    "data": "report what there is to learn from, and the split",
    "teach": "paint the targets that are missing in the cache",
    "distil": "train the students (one with --variant), going on from the last checkpoint",
    "brush": "teach an exported network to lay strokes, going on from the last checkpoint",
    "mix": "make the weighted mean of two checkpoints of the brush stage the variant's checkpoint",
    "export": "write networks, thumbnails and pack.toml",
    "judge": "measure the teachers and the untouched photos, so that evaluate is quick",
    "evaluate": "measure the exported networks on held-out pictures",
    "time": "measure the networks' latency again, leaving the other numbers as they are",
    "quantise": "try int8 builds of the networks and note how good and how fast they are",
    "card": "write CARD.md from the measurements",
    "search": "train and time other networks briefly; write the Pareto picture",
    "prune": "cut hidden channels out of a trained variant, retrain it briefly and measure what is left",
    "sheet": "paint a contact sheet per effect, for judging by eye",
    "make": "all of it: teach, distil, export, evaluate, card, sheet",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m impasto_training",
        description="Distils slow teachers into small networks that run live.",
        epilog=f"Data: ${paths.DATA_VARIABLE}, else ../shared/data beside the repository. "
        f"Cache: ${paths.CACHE_VARIABLE}, else ~/.cache/impasto-training.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
        command.add_argument("recipe", metavar="RECIPE", help="a name in recipes/ or a path to a .toml file")
        command.add_argument("--packs", type=Path, default=paths.packs_root(), help="folder that holds the packs")
        command.add_argument("--device", default="auto", help="auto, cpu or cuda")
        command.add_argument("--threads", type=int, help="CPU threads of PyTorch")
        if name == "prune":
            command.add_argument("--variant", required=True, help="the variant to cut")
            command.add_argument("--keep", type=float, default=0.75, help="share of the hidden channels that stay")
            command.add_argument("--steps", type=int, default=300, help="retraining steps")
        if name == "search":
            command.add_argument("--steps", type=int, default=300, help="training steps per candidate")
            command.add_argument("--picture", type=Path, default=Path("pareto.svg"), help="where the picture goes")
        if name == "distil":
            command.add_argument("--variant", help="train only this variant")
            command.add_argument(
                "--start-from",
                type=Path,
                metavar="CHECKPOINT",
                help="begin a new run with these weights (see adopt.py)",
            )
        if name == "mix":
            command.add_argument("--variant", required=True, help="the variant that both checkpoints are of")
            command.add_argument("--share", type=float, default=0.5, help="how much of the second, 0 to 1")
            command.add_argument("first", type=Path, metavar="FIRST", help="a .brush.pt file")
            command.add_argument("second", type=Path, metavar="SECOND", help="one of a run that went on from there")
        if name == "brush":
            command.add_argument("--batch", type=int, default=0, help="instead of the recipe's, on smaller machines")
            command.add_argument("--variant", required=True, help="the variant to train")
            command.add_argument("--steps", type=int, default=3000, help="training steps in all")
            command.add_argument(
                "--seconds",
                type=float,
                default=math.inf,
                help="ends the schedule after so long, if the steps are not done by then",
            )
            command.add_argument(
                "--start-from", type=Path, metavar="ONNX", help="the network from before this stage; the pack's"
            )
            command.add_argument(
                "--go-on-from",
                type=Path,
                metavar="ONNX",
                help="a network of this stage, to train it further",
            )
            command.add_argument(
                "--only",
                nargs="+",
                default=[],
                metavar="EFFECT",
                help="train the style rows of these effects and change nothing else",
            )
        if name == "export":
            command.add_argument(
                "--format",
                default="onnx",
                choices=("onnx", "litert", "coreml"),
                help="onnx is the pack",
            )
            command.add_argument("--out", type=Path, default=Path(), help="folder for the other formats' files")
        if name == "evaluate":
            command.add_argument("--variant", help="measure only this variant")
        if name in ("judge", "evaluate"):
            command.add_argument("--quick", action="store_true", help="fewer pictures; the card says so")
    fixture = commands.add_parser(FIXTURE, help="write a tiny untrained network for the engines' tests")
    fixture.add_argument("path", metavar="PATH", type=Path, help="where the .onnx file goes")
    fixture.add_argument("--canvas", action="store_true", help="a network that takes a canvas")
    own = commands.add_parser(OWN, help=OWN_HELP, description=OWN_HELP.capitalize() + ".")
    own.add_argument("painting", metavar="PAINTING", type=Path, help="a picture of the painting")
    own.add_argument("--photos", type=Path, metavar="FOLDER", help="photos to learn on; the data folder's portraits")
    own.add_argument("--name", help="lower-case letters, digits and dashes; from the picture's file name")
    own.add_argument("--title", help="as the app shows it; from the name")
    own.add_argument("--artist", default="", help="who painted it, and when")
    own.add_argument("--licence", default="not to be passed on", help="what others may do with the result")
    own.add_argument("--base", type=Path, default=paths.packs_root() / "gallery", help="the pack whose networks paint")
    own.add_argument("--out", type=Path, default=paths.packs_root(), help="folder that gets the new pack's folder")
    own.add_argument("--steps", type=int, default=160, help="steps per variant")
    own.add_argument("--scale", type=float, default=1.0, help="size of the strokes, 0.5 to 2")
    own.add_argument("--contents", type=int, default=40, help="pictures that it learns on, at most")
    own.add_argument("--threads", type=int, help="CPU threads of PyTorch")
    return parser


def _own(options: argparse.Namespace) -> int:
    import torch

    from impasto_training import own

    if options.threads:
        torch.set_num_threads(options.threads)
    name = options.name or re.sub(r"[^a-z0-9]+", "-", options.painting.stem.lower()).strip("-") or "own"
    data_root = paths.data_root()
    wish = own.Wish(
        painting=options.painting,
        photos=options.photos or data_root / "photos" / "portraits",
        name=name,
        title=options.title or name.replace("-", " ").capitalize(),
        artist=options.artist,
        licence=options.licence,
        base=options.base,
        out=options.out,
        steps=options.steps,
        contents=options.contents,
        scale=options.scale,
    )
    try:
        own.make(wish, data_root, paths.cache_root())
    except RecipeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _keep_memory() -> None:
    """Restarts once with glibc told to keep freed blocks.

    Training frees and takes the same large ones at every step; each return to the kernel costs the page faults again.
    """
    settings = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}
    if sys.platform == "linux" and not any(name in os.environ for name in settings):
        os.environ.update(settings, OMP_WAIT_POLICY=os.environ.get("OMP_WAIT_POLICY", "PASSIVE"))
        os.execv(sys.executable, sys.orig_argv)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == FIXTURE:
        from impasto_training import fixture

        fixture.write(options.path, options.canvas)
        return 0
    if arguments is None:
        _keep_memory()
    if options.command == OWN:
        return _own(options)
    import torch

    from impasto_training import parallel
    from impasto_training.distil import pick_device
    from impasto_training.make import Workshop

    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        workshop = Workshop(
            recipe=recipe.load(options.recipe),
            data_root=paths.data_root(),
            cache_root=paths.cache_root(),
            packs_root=options.packs,
            device=pick_device(options.device),
        )
        match options.command:
            case "data":
                print(workshop.data())
            case "distil":
                chosen = workshop.recipe.trained
                with parallel.group(workshop.device):
                    for variant in [workshop.recipe.variant(options.variant)] if options.variant else chosen:
                        workshop.distil(variant, options.start_from)
            case "brush":
                variant = workshop.recipe.variant(options.variant)
                start_from = options.start_from or workshop.onnx_path(variant)
                workshop.brush(
                    variant,
                    start_from,
                    options.steps,
                    options.go_on_from,
                    options.only,
                    options.seconds,
                    options.batch,
                )
            case "mix":
                variant = workshop.recipe.variant(options.variant)
                workshop.mix(variant, options.first, options.second, options.share)
            case "export" if options.format != "onnx":
                workshop.port(options.format, options.out)
            case "prune":
                print(workshop.prune(workshop.recipe.variant(options.variant), options.keep, options.steps))
            case "search":
                print(workshop.search(options.steps, options.picture))
            case "judge":
                workshop.judge(options.quick)
            case "evaluate":
                workshop.evaluate(options.quick, options.variant)
            case command:
                getattr(workshop, command)()
    except RecipeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
