from pathlib import Path

import pytest
import torch

from impasto_training import export, restore
from impasto_training.networks.student import ARCHITECTURES, Student
from impasto_training.own import Painter, _row_bytes
from impasto_training.recipe import RecipeError

IMAGE = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def trained() -> Student:
    """A student whose statistics and styles are no longer those of the start."""
    torch.manual_seed(2)
    student = Student(ARCHITECTURES["tiny"], 3)
    with torch.no_grad():
        for layer in student.convolutions():
            layer.scale.uniform_(0.7, 1.3)
            layer.bias.uniform_(-0.2, 0.2)
        student.train()
        for _ in range(20):
            student(torch.rand(4, 3, 32, 48), torch.eye(3)[[0, 1, 2, 0]])
    return student.eval()


def test_an_exported_file_becomes_the_same_student_again(tmp_path: Path) -> None:
    student, path = trained(), tmp_path / "t.onnx"
    export.save(export.to_onnx(student, ["a", "b", "c"], half_weights=False), path)
    with torch.no_grad():
        for style in torch.eye(3).split(1):
            torch.testing.assert_close(restore.student(path)(IMAGE, style), student(IMAGE, style), atol=1e-4, rtol=1e-4)


def test_a_file_from_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    model = export.to_onnx(trained(), ["a", "b", "c"])
    del model.metadata_props[:]
    export.save(model, path)
    with pytest.raises(RecipeError, match="which network"):
        restore.student(path)


def test_setting_the_row_free_changes_no_picture_and_its_bytes_are_the_table() -> None:
    student = trained()
    expected = torch.cat([student.head.scale, student.head.bias], dim=1).mean(dim=0)
    painter = Painter(student)
    with torch.no_grad():
        before = painter(IMAGE, IMAGE)
        rows = painter.free()
        torch.testing.assert_close(painter(IMAGE, IMAGE), before)
    assert all(row.requires_grad for row in rows) and not student.stem.conv.weight.requires_grad
    table = torch.frombuffer(bytearray(_row_bytes(student)), dtype=torch.float16).float()
    torch.testing.assert_close(table[-expected.numel() :], expected.detach(), atol=1e-3, rtol=1e-3)
