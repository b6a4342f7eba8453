"""Our engine on the processor against other engines: the same file, size and input, in turns, outputs checked.

    cargo xtask peers [--variants s m] [--threads 1 2] [--rounds 15] [--out FOLDER]

Every peer paints one picture first, which is compared with ONNX Runtime's. Then the peers take turns: in each round
each of them paints a few pictures. Reported are medians, and the median over the rounds of each peer's time over ours
in the same round. A peer that cannot run says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
OURS = "impasto cpu"
SIZES = {"s": (320, 192), "m": (512, 288), "l": (768, 432)}
FILES = {"s": "s.onnx", "m": "m.onnx", "l": "m.onnx"}
CANVAS_CHANNELS = 8
"""Of the gallery's networks (`[canvas]` in its `pack.toml`)."""

MOST_APART = 1e-4
"""Largest difference from ONNX Runtime's painting, of 1, that counts as the same painting."""


class UnavailableError(Exception):
    """A peer cannot run here; the message says why."""


class Ours:
    """Our engine, in a process of its own that answers commands (`examples/peer.rs`)."""

    name = OURS

    def __init__(self, program: Path, file: Path, size: tuple[int, int], threads: int) -> None:
        width, height = size
        self.shape = (3, height, width)
        self.process = subprocess.Popen(
            [program, file, f"{width}x{height}", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.detail = self._answer()

    def _answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise UnavailableError(f"the program ended with status {self.process.wait()}")
        return line.strip()

    def _ask(self, command: str) -> str:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def fold(self, path: Path) -> None:
        """Writes the network as it runs, one style folded into the weights, for everybody."""
        self._ask(f"onnx {path}")

    def paint(self, image: np.ndarray) -> np.ndarray:
        """Paints `[3, H, W]`."""
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "in", Path(folder) / "out"
            given.write_bytes(image.astype("<f4").tobytes())
            self._ask(f"paint {given} {made}")
            return np.frombuffer(made.read_bytes(), "<f4").reshape(self.shape)

    def time(self, count: int) -> list[float]:
        """Milliseconds of so many pictures."""
        return [float(word) for word in self._ask(f"time {count}").split()]


class InProcess:
    """A peer that is a library of Python: `run` paints one picture `[1, 3, H, W]`."""

    detail = ""

    def paint(self, image: np.ndarray) -> np.ndarray:
        """Paints `[3, H, W]`, and keeps it for `run`."""
        self.image = np.ascontiguousarray(image[None], np.float32)
        height, width = image.shape[1:]
        # At rest and empty, as the app gives it where an effect has no strokes; a full one costs the same.
        self.canvas = np.zeros((1, CANVAS_CHANNELS, height // 2, width // 2), np.float32)
        return np.asarray(self.run()).reshape(image.shape)

    def time(self, count: int) -> list[float]:
        """Milliseconds of so many pictures."""
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.run()
            times.append(1e3 * (time.perf_counter() - start))
        return times


class OnnxRuntime(InProcess):
    """ONNX Runtime's own provider for processors."""

    name = "ONNX Runtime"

    def __init__(self, file: Path, size: tuple[int, int], threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.detail = onnxruntime.__version__

    def run(self) -> np.ndarray:
        """Paints the picture that was kept."""
        return self.session.run(None, {"image": self.image, "canvas": self.canvas})[0]


class OpenVino(InProcess):
    """OpenVINO without ONNX Runtime around it."""

    name = "OpenVINO"

    def __init__(self, file: Path, size: tuple[int, int], threads: int, precision: str = "f32") -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(file)
        width, height = size
        model.reshape({"image": [1, 3, height, width], "canvas": [1, CANVAS_CHANNELS, height // 2, width // 2]})
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.detail = f"{openvino.__version__.split('-')[0]}, {precision}"

    def run(self) -> np.ndarray:
        """Paints the picture that was kept."""
        return next(iter(self.request.infer({"image": self.image, "canvas": self.canvas}).values()))


class Ncnn(InProcess):
    """ncnn on the processor; `pnnx` converts the file."""

    name = "ncnn"

    def __init__(self, file: Path, size: tuple[int, int], threads: int) -> None:
        import ncnn

        width, height = size
        stem = file.with_name(f"{file.stem}_{width}x{height}")
        made = stem.with_suffix(".ncnn.param")
        if not made.exists():
            copy = stem.with_suffix(".onnx")
            canvas = f"[1,{CANVAS_CHANNELS},{height // 2},{width // 2}]"
            copy.write_bytes(file.read_bytes())
            shapes = f"inputshape=[1,3,{height},{width}],{canvas}"
            command = [Path(sys.executable).parent / "pnnx", copy.name, shapes, "fp16=0"]
            done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
            if not made.exists():
                raise UnavailableError(f"pnnx does not convert the file: {(done.stderr or done.stdout).strip()[-160:]}")
        self.ncnn = ncnn
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.opt.use_fp16_storage = self.net.opt.use_fp16_arithmetic = self.net.opt.use_bf16_storage = False
        self.net.load_param(str(made))
        self.net.load_model(str(made.with_suffix(".bin")))
        self.detail = ncnn.__version__

    def run(self) -> np.ndarray:
        """Paints the picture that was kept."""
        extractor = self.net.create_extractor()
        extractor.input("in0", self.ncnn.Mat(self.image[0]))
        extractor.input("in1", self.ncnn.Mat(self.canvas[0]))
        return np.array(extractor.extract("out0")[1])


def peers(file: Path, size: tuple[int, int], threads: int, bf16: bool) -> list[tuple[str, object]]:
    """(name, what makes it), besides our own engine."""
    found = [
        (OnnxRuntime.name, lambda: OnnxRuntime(file, size, threads)),
        (OpenVino.name, lambda: OpenVino(file, size, threads)),
        (Ncnn.name, lambda: Ncnn(file, size, threads)),
    ]
    if bf16:
        found.append(("OpenVINO bf16", lambda: OpenVino(file, size, threads, "bf16")))
    return found


def compare(program: Path, variant: str, threads: int, rounds: int, folder: Path, bf16: bool, size=None) -> dict:
    """One table: everybody at one size and number of threads."""
    size = size or SIZES[variant]
    ours = Ours(program, ROOT / "models" / "gallery" / FILES[variant], size, threads)
    file = folder / f"{variant}.onnx"
    ours.fold(file)
    rng = np.random.default_rng(1)
    coarse = rng.random((3, size[1] // 16, size[0] // 16), dtype=np.float32)
    image = coarse.repeat(16, axis=1).repeat(16, axis=2)
    running, missing = [ours], {}
    for name, make in peers(file, size, threads, bf16):
        try:
            peer = make()
            peer.name = name
            running.append(peer)
        except (UnavailableError, ImportError, RuntimeError, OSError) as error:
            missing[name] = str(error).splitlines()[0][:200]
    paintings = {peer.name: peer.paint(image) for peer in running}
    truth = paintings.get(OnnxRuntime.name, paintings[OURS])
    times: dict[str, list[float]] = {peer.name: [] for peer in running}
    for peer in running:
        peer.time(3)
    for _ in range(rounds):
        for peer in running:
            times[peer.name].append(median(peer.time(5)))
    return {
        "variant": variant,
        "width": size[0],
        "height": size[1],
        "threads": threads,
        "peers": {
            peer.name: {
                "detail": peer.detail,
                "ms": median(times[peer.name]),
                "over_ours": median(b / a for a, b in zip(times[OURS], times[peer.name], strict=True)),
                "apart": float(np.abs(paintings[peer.name] - truth).max()),
            }
            for peer in running
        },
        "missing": missing,
    }


def table(results: list[dict]) -> str:
    """Markdown."""
    lines = [
        "| network | threads | engine | ms | over ours | largest difference |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for result in results:
        where = f"{result['variant'].upper()} {result['width']}x{result['height']} | {result['threads']}"
        for name, found in result["peers"].items():
            apart = f"{found['apart']:.1e}" + ("" if found["apart"] <= MOST_APART else " (another painting)")
            times = f"{found['ms']:.2f} | {found['over_ours']:.2f}"
            lines.append(f"| {where} | {name} {found['detail']} | {times} | {apart} |")
        lines += [f"| {where} | {name} | - | - | {why} |" for name, why in result["missing"].items()]
    return "\n".join(lines)


def picture(results: list[dict]) -> str:
    """Bars of milliseconds, as SVG."""
    rows = [(r, name, found) for r in results for name, found in r["peers"].items()]
    longest = max(found["ms"] for _, _, found in rows)
    height = 22 * len(rows) + 24 * len(results) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif">',
    ]
    parts.append(f'<rect width="760" height="{height}" fill="white"/>')
    y, last = 4, None
    for result, name, found in rows:
        if result is not last:
            y += 20
            where = f"{result['variant'].upper()} {result['width']}x{result['height']}"
            title = f"{where}, {result['threads']} thread(s): ms a picture"
            parts.append(f'<text x="8" y="{y}" font-size="13" font-weight="bold">{title}</text>')
            y, last = y + 6, result
        width = 480 * found["ms"] / longest
        colour = "#2f6fb0" if name == OURS else "#b9b9b9"
        parts.append(f'<text x="8" y="{y + 14}">{name}</text>')
        parts.append(f'<rect x="130" y="{y + 2}" width="{width:.1f}" height="16" fill="{colour}"/>')
        parts.append(f'<text x="{136 + width:.1f}" y="{y + 14}">{found["ms"]:.1f}  ({found["over_ours"]:.2f})</text>')
        y += 22
    return "\n".join([*parts, "</svg>"]) + "\n"


SWEEP = [(336, 192), (512, 288), (640, 368), (960, 544), (1280, 720), (1920, 1088)]


def slope(sizes: list[int], times: list[float]) -> float:
    """Exponent b of time = a * pixels^b, least squares in logarithms: at most 1 where cost per pixel does not rise."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def sweep(program: Path, threads: list[int], rounds: int) -> list[dict]:
    """Our engine alone, M's network, from 192 to 1088 rows."""
    found = []
    for count in threads:
        times = []
        for size in SWEEP:
            ours = Ours(program, ROOT / "models" / "gallery" / "m.onnx", size, count)
            ours.time(2)
            times.append(median(ours.time(max(rounds // 3, 3))))
            ours.process.kill()
        pixels = [w * h for w, h in SWEEP]
        found.append({"threads": count, "sizes": SWEEP, "ms": times, "slope": slope(pixels, times)})
    return found


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> int:
    """Runs it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="the built example `peer`")
    parser.add_argument("--variants", nargs="+", default=["s", "m"], choices=list(SIZES))
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, min(2, os.cpu_count() or 1)}))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--bf16", action="store_true", help="also OpenVINO in bfloat16, which paints less exactly")
    parser.add_argument("--sweep", action="store_true", help="also how the cost of our engine grows with size")
    parser.add_argument("--out", type=Path, default=Path("peers"), help="folder for peers.json and peers.svg")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with tempfile.TemporaryDirectory() as folder:
        results = [
            compare(options.program, variant, threads, options.rounds, Path(folder), options.bf16)
            for variant in options.variants
            for threads in options.threads
        ]
    swept = sweep(options.program, options.threads, options.rounds) if options.sweep else []
    machine = {"processor": processor(), "cores": os.cpu_count(), "load_before": load}
    (options.out / "peers.json").write_text(
        json.dumps({"machine": machine, "results": results, "sweep": swept}, indent=1)
    )
    (options.out / "peers.svg").write_text(picture(results))
    print(f"{machine['processor']}, {machine['cores']} cores, load before {load}\n\n{table(results)}")
    for line in swept:
        cells = ", ".join(f"{w}x{h} {ms:.1f}" for (w, h), ms in zip(line["sizes"], line["ms"], strict=True))
        print(
            f"\n{OURS}, M's network, {line['threads']} thread(s), ms: {cells}; time grows as pixels^{line['slope']:.2f}"
        )
    print(f"\n{options.out / 'peers.json'}, {options.out / 'peers.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
