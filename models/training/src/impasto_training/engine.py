"""Running an exported student with ONNX Runtime, picture in, picture out: what is judged is what ships."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from impasto_training.images import FloatPicture

Canvas = npt.NDArray[np.float32]
"""`[C, H/2, W/2]`, see `canvas.py`."""


class Engine:
    """One loaded `.onnx` file."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self.style_count: int = shapes["style"][1]
        self.canvas_channels: int = shapes["canvas"][1] if "canvas" in shapes else 0

    def one_hot(self, style: int) -> npt.NDArray[np.float32]:
        """The style vector `[1, K]` of one style."""
        vector = np.zeros((1, self.style_count), np.float32)
        vector[0, style] = 1.0
        return vector

    def paint(self, picture: FloatPicture, style: int, canvas: Canvas | None = None) -> FloatPicture:
        """`picture` `[H, W, 3]`, 0..1, sides multiples of 16; the same comes back, painted.

        `canvas` is `[C, H/2, W/2]`; a network that takes one gets zeros without it.
        """
        image = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
        feed = {"image": image, "style": self.one_hot(style)}
        if self.canvas_channels:
            height, width = picture.shape[0] // 2, picture.shape[1] // 2
            if canvas is None:
                canvas = np.zeros((self.canvas_channels, height, width), np.float32)
            feed["canvas"] = canvas[None]
        (painted,) = self._session.run(None, feed)
        return np.asarray(painted[0].transpose(1, 2, 0), np.float32)

    def latency_ms(self, width: int, height: int, repeats: int = 30) -> tuple[float, float]:
        """(p50, p95) of one run in milliseconds, after a warm-up."""
        image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
        feed = {"image": image, "style": self.one_hot(0)}
        if self.canvas_channels:
            feed["canvas"] = np.zeros((1, self.canvas_channels, height // 2, width // 2), np.float32)
        times = []
        for _ in range(repeats + 3):
            start = time.perf_counter()
            self._session.run(None, feed)
            times.append(1e3 * (time.perf_counter() - start))
        p50, p95 = np.percentile(times[3:], [50, 95])
        return float(p50), float(p95)
