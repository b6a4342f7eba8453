from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from impasto_training import export, fixture, metrics
from impasto_training.engine import Engine
from impasto_training.networks.student import ARCHITECTURES, Student
from impasto_training.scores import HALF_GATE_DB


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Student, Path]]:
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    fixture.write(path)
    yield fixture.student(), path


@pytest.mark.parametrize(("width", "height"), [(64, 32), (48, 80), (16, 16), (320, 192)])
@pytest.mark.parametrize("style", range(fixture.STYLES))
def test_exported_equals_torch(exported: tuple[Student, Path], width: int, height: int, style: int) -> None:
    student, path = exported
    image = np.random.default_rng(width).random((height, width, 3), dtype=np.float32)
    vector = torch.eye(fixture.STYLES)[style : style + 1]
    with torch.no_grad():
        expected = student(torch.from_numpy(image).permute(2, 0, 1)[None], vector)[0].permute(1, 2, 0).numpy()
    full = path.with_name("float32.onnx")
    export.save(export.to_onnx(student, [], half_weights=False), full)
    painted = Engine(full, threads=1).paint(image, style)
    assert painted.shape == (height, width, 3)
    assert painted.std() > 0.01
    # Folding the normalisation reorders float32 sums; the largest difference seen is 2e-5.
    np.testing.assert_allclose(painted, expected, atol=1e-4)
    assert metrics.psnr(Engine(path, threads=1).paint(image, style), expected) > HALF_GATE_DB


def test_contract(exported: tuple[Student, Path]) -> None:
    model = onnx.load(exported[1])
    assert model.ir_version <= 9
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert {node.op_type for node in model.graph.node} <= export.ALLOWED_OPERATORS
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "image": [1, 3, "height", "width"],
        "style": [1, fixture.STYLES],
        "painted": [1, 3, "height", "width"],
    }
    assert sum(node.op_type == "MatMul" for node in model.graph.node) == 1
    assert sum(node.op_type == "Split" for node in model.graph.node) == 1
    assert exported[1].stat().st_size < 60_000


def test_scale_and_bias_follow_their_convolution(exported: tuple[Student, Path]) -> None:
    graph = onnx.load(exported[1]).graph
    made_by = {node.output[0]: node for node in graph.node}
    scaled = [node for node in graph.node if node.op_type == "Mul"]
    assert scaled
    for node in scaled:
        assert made_by[node.input[0]].op_type == "Conv"
        assert made_by[node.input[1]].op_type == "Reshape"
    readers = {name: node for node in graph.node for name in node.input}
    assert all(readers[node.output[0]].op_type == "Add" for node in scaled)


def test_a_foreign_operator_is_refused(exported: tuple[Student, Path]) -> None:
    model = onnx.load(exported[1])
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Tanh"
    with pytest.raises(ValueError, match="Tanh"):
        export.check(model)


def test_multiply_adds_are_those_of_torch(exported: tuple[Student, Path]) -> None:
    student, path = exported
    counted = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(module, torch.nn.Conv2d)
        counted += output[0].numel() * module.weight[0].numel()

    hooks = [layer.conv.register_forward_hook(count) for layer in student.convolutions()]
    with torch.no_grad():
        # Two styles: with one for all, the convolutions would be folded and run past their modules.
        student(torch.zeros(2, 3, 32, 64), torch.eye(fixture.STYLES)[:2])
    for hook in hooks:
        hook.remove()
    table = sum(2 * layer.channels for layer in student.convolutions() if layer.styled) * fixture.STYLES
    smoothing = 3 * 3 * 3 * 64 * 32
    assert export.multiply_adds(onnx.load(path), width=64, height=32) == counted + table + smoothing


@pytest.mark.parametrize(
    ("network", "width", "height", "budget"), [("small", 320, 192, 250e6), ("medium", 512, 288, 1100e6)]
)
def test_budgets_hold(network: str, width: int, height: int, budget: float) -> None:
    model = export.to_onnx(Student(ARCHITECTURES[network], 8).eval(), [])
    assert export.multiply_adds(model, width, height) <= budget
