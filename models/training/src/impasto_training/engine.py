"""Running an exported student with ONNX Runtime, picture in, picture out: what is judged is what ships."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from impasto_training.images import FloatPicture


class Engine:
    """One loaded `.onnx` file."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.style_count: int = self._session.get_inputs()[1].shape[1]

    def one_hot(self, style: int) -> npt.NDArray[np.float32]:
        """The style vector `[1, K]` of one style."""
        vector = np.zeros((1, self.style_count), np.float32)
        vector[0, style] = 1.0
        return vector

    def paint(self, picture: FloatPicture, style: int) -> FloatPicture:
        """`picture` `[H, W, 3]`, 0..1, sides multiples of 16; the same comes back, painted."""
        image = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
        (painted,) = self._session.run(None, {"image": image, "style": self.one_hot(style)})
        return np.asarray(painted[0].transpose(1, 2, 0), np.float32)

    def latency_ms(self, width: int, height: int, repeats: int = 30) -> tuple[float, float]:
        """(p50, p95) of one run in milliseconds, after a warm-up."""
        image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
        feed = {"image": image, "style": self.one_hot(0)}
        times = []
        for _ in range(repeats + 3):
            start = time.perf_counter()
            self._session.run(None, feed)
            times.append(1e3 * (time.perf_counter() - start))
        p50, p95 = np.percentile(times[3:], [50, 95])
        return float(p50), float(p95)
