from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

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
    whole = onnx.load_model(str(quantise.int8(model, Candidate(False, 0, 0), feeds, tmp_path)))
    part = onnx.load_model(str(quantise.int8(model, Candidate(False, 1, 2), feeds, tmp_path)))

    def integer_weights(model: onnx.ModelProto) -> int:
        names = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4}
        return len(names)

    convolutions = sum(node.op_type == "Conv" for node in whole.graph.node)
    assert integer_weights(whole) == convolutions and integer_weights(part) == convolutions - 3
    assert any(node.op_type == "MatMul" and "style" in node.input for node in whole.graph.node)


def test_a_fixed_style_paints_what_its_row_paints() -> None:
    student = fixture.student()
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for style in range(fixture.STYLES):
            expected = student(image, torch.eye(fixture.STYLES)[style : style + 1])
            torch.testing.assert_close(quantise.fixed(student, style)(image, torch.ones(1, 1)), expected)


@pytest.mark.parametrize("one_style", [False, True])
def test_a_trial_measures_its_candidate(one_style: bool) -> None:
    candidates = [Candidate(one_style, 0, 0)]
    (tried,) = quantise.trial(fixture.student(), ["a", "b"], pictures(4), pictures(2), (48, 32), 1, candidates)
    assert 10.0 < tried.psnr < 80.0 and tried.bytes > 1000
    assert tried.latency_ratio is not None and tried.latency_ratio > 0.0
