from pathlib import Path

import numpy as np
import onnx

from impasto_training import export, fixture, quantise
from impasto_training.images import FloatPicture
from impasto_training.quantise import Candidate


def pictures(count: int) -> list[FloatPicture]:
    rng = np.random.default_rng(5)
    return [
        rng.random((2, 3, 3), dtype=np.float32).repeat(16, axis=0).repeat(16, axis=1).astype(np.float32)
        for _ in range(count)
    ]


def test_int8_keeps_the_style_path_and_what_is_left_out_in_float(tmp_path: Path) -> None:
    model = export.to_onnx(fixture.student(), ["a", "b"], half_weights=False)
    style = np.eye(2, dtype=np.float32)
    feeds = [
        {"image": p.transpose(2, 0, 1)[None].copy(), "style": style[i % 2 : i % 2 + 1]}
        for i, p in enumerate(pictures(2))
    ]
    whole = onnx.load_model(str(quantise.int8(model, Candidate(0, 0), feeds, tmp_path)))
    part = onnx.load_model(str(quantise.int8(model, Candidate(1, 2), feeds, tmp_path)))

    def integer_weights(model: onnx.ModelProto) -> int:
        names = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4}
        return len(names)

    convolutions = sum(node.op_type == "Conv" for node in whole.graph.node)
    assert integer_weights(whole) == convolutions and integer_weights(part) == convolutions - 3
    assert any(node.op_type == "MatMul" and "style" in node.input for node in whole.graph.node)


def test_a_trial_measures_every_candidate() -> None:
    model = export.to_onnx(fixture.student(), ["a", "b"], half_weights=False)
    (tried,) = quantise.trial(model, pictures(4), pictures(2), (48, 32), 1, [Candidate(0, 0)])
    assert 10.0 < tried.psnr < 80.0 and tried.bytes > 1000
    assert tried.latency_ratio is not None and tried.latency_ratio > 0.0
