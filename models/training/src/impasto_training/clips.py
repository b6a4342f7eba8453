"""Webcam clips, decoded by the `ffmpeg` program into square pictures."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from impasto_training.images import Picture

SUFFIXES = {".mkv", ".mp4", ".webm"}


class ClipError(RuntimeError):
    """A clip could not be decoded; the message carries ffmpeg's last words."""


@dataclass(frozen=True)
class Clip:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    def frames(self, side: int, first: int, count: int, step: int = 1) -> list[Picture]:
        """`count` pictures `[side, side, 3]`: the centred square of frames `first`, `first + step`, ...

        Fewer come back where the clip ends before.
        """
        chain = (
            f"select='gte(n,{first})*not(mod(n-{first},{step}))',crop='min(iw,ih)':'min(iw,ih)',"
            f"scale={side}:{side}:flags=area"
        )
        command = [
            *("ffmpeg", "-v", "error", "-nostdin", "-i", str(self.path), "-vf", chain, "-fps_mode", "passthrough"),
            *("-frames:v", str(count), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
        ]
        run = subprocess.run(command, capture_output=True, check=False)
        if run.returncode != 0:
            words = run.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise ClipError(f"ffmpeg cannot read {self.path}: {' '.join(words)}; try to play the file")
        return list(np.frombuffer(run.stdout, np.uint8).reshape(-1, side, side, 3))


def find(folder: Path, wanted: int) -> list[Clip]:
    """The `wanted` clips of a folder that lie furthest apart by name (neighbours tend to show the same scene).

    None where the folder or ffmpeg is absent.
    """
    if shutil.which("ffmpeg") is None or not folder.is_dir():
        return []
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(paths) <= wanted:
        return [Clip(path) for path in paths]
    places = np.linspace(0, len(paths) - 1, wanted).round().astype(int)
    return [Clip(paths[place]) for place in places]
