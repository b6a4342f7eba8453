"""How long a variant takes on this machine: by the app itself where it is built, else by ONNX Runtime alone."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from impasto_training.engine import Engine
from impasto_training.paths import repository_root
from impasto_training.recipe import VariantSettings
from impasto_training.scores import Latency

PROGRAM_VARIABLE = "IMPASTO_BIN"
ENGINES = ("cpu", "ort", "wgpu")
FRAMES, WARM_UP = 40, 8
BENCH_SECONDS = 60.0
"""A bench that takes longer is given up: a software adapter is of no interest."""

THREADS = 1
"""Of ONNX Runtime without the app. More threads depend on what else the machine does."""


def program() -> Path | None:
    """The app: `$IMPASTO_BIN`, else the repository's release build, else the one on the path."""
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        return Path(named).expanduser()
    built = repository_root() / "target" / "release" / ("impasto.exe" if os.name == "nt" else "impasto")
    found = shutil.which("impasto")
    return built if built.is_file() else Path(found) if found else None


def bench(app: Path, pack: Path, effect: str, variant: VariantSettings, engine: str) -> Latency | None:
    """What `impasto bench` says of one engine; none where it does not run here."""
    command = [
        *(str(app), "bench", "--json", "--engine", engine, "--variant", variant.id, "--effect", effect),
        *("--size", f"{variant.width}x{variant.height}", "--frames", str(FRAMES), "--warm-up", str(WARM_UP)),
        *("--models", str(pack.parent)),
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=BENCH_SECONDS, check=True)
        report = json.loads(run.stdout)
        # The device is the one that puts the picture together; only this program's own engine runs the network there.
        where = f" on {report['device']}" if engine == "wgpu" else " on the processor"
        return Latency(
            engine=f"impasto {report['version']}, {report['engine']}{where}",
            width=int(report["width"]),
            height=int(report["height"]),
            p50_ms=float(report["infer_ms"]["p50"]),
            p95_ms=float(report["infer_ms"]["p95"]),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def measure(pack: Path, effect: str, variant: VariantSettings, onnx_path: Path) -> tuple[Latency, ...]:
    """One entry per engine of the app that runs here; without any, one by ONNX Runtime in this process."""
    app = program()
    found = [bench(app, pack, effect, variant, engine) for engine in ENGINES] if app else []
    latencies = tuple(latency for latency in found if latency is not None)
    if latencies:
        return latencies
    p50, p95 = Engine(onnx_path, THREADS).latency_ms(variant.width, variant.height)
    name = f"ONNX Runtime alone, CPU, {THREADS} thread"
    return (Latency(name, variant.width, variant.height, p50, p95),)


def machine() -> str:
    """Processor count and name, and how many of them this process may use if not all."""
    count = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    return f"{count} x {processor()}" + (f" ({allowed} allowed)" if allowed < count else "")


def load_average() -> float:
    """Of the last minute; not a number where the system keeps none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
