import hashlib
import tomllib
from pathlib import Path

import pytest
import torch

from impasto_training import export, fixture, restore
from impasto_training.brush_run import BrushRun
from impasto_training.networks.student import ARCHITECTURES, Student
from impasto_training.own import SETTINGS, Wish, _row_bytes, make, only
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


def test_one_style_alone_paints_as_it_did_and_its_bytes_are_the_table() -> None:
    student = trained()
    expected = torch.cat([student.head.scale, student.head.bias], dim=1)[1]
    with torch.no_grad():
        before = student(IMAGE, torch.tensor([[0.0, 1.0, 0.0]]))
        one = only(student, 1)
        torch.testing.assert_close(one(IMAGE, torch.ones(1, 1)), before)
    assert one.styles == 1 and student.styles == 3
    table = torch.frombuffer(bytearray(_row_bytes(one)), dtype=torch.float16).float()
    torch.testing.assert_close(table[-expected.numel() :], expected.detach(), atol=1e-3, rtol=1e-3)


def test_only_the_row_is_learned() -> None:
    run = BrushRun(only(trained(), 0), SETTINGS, torch.device("cpu"))
    rows = sum(
        parameter.numel()
        for layer in run.student.convolutions()
        if layer.styled
        for parameter in (layer.scale, layer.bias)
    )
    assert sum(parameter.numel() for parameter in run.parameters) == rows
    assert not run.student.stem.conv.weight.requires_grad


def test_a_painting_becomes_a_style_pack(data_root: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    fixture.write(base / "t.onnx", canvas=True)
    digest = hashlib.sha256((base / "t.onnx").read_bytes()).hexdigest()
    variant = f'[[variants]]\nid = "t"\nfile = "t.onnx"\nsha256 = "{digest}"\n'
    (base / "pack.toml").write_text(variant, encoding="utf-8")
    wish = Wish(
        painting=data_root / "paintings" / "vangogh_olive.jpg",
        photos=data_root / "photos" / "portraits",
        name="mine",
        title="Mine",
        artist="",
        licence="none",
        base=base,
        out=tmp_path,
        steps=2,
        contents=6,
        scale=1.5,
    )
    folder = make(wish, data_root, tmp_path / "cache")
    pack = tomllib.loads((folder / "pack.toml").read_text(encoding="utf-8"))
    assert pack["base"] == "base" and pack["variants"][0]["base_sha256"] == digest
    assert pack["effects"][0]["canvas"] == {"strength": 1.0, "scale": 1.5}
    assert (folder / "t.style").stat().st_size % 2 == 0 and (folder / "mine.jpg").is_file()
