import tomllib
from pathlib import Path

import pytest
import torch

from impasto_training import evaluate, latency, quantise, sheet
from impasto_training.make import Workshop
from impasto_training.recipe import Recipe


def test_make_leaves_a_whole_pack(
    recipe: Recipe, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "FULL", evaluate.Extent(1, 2, 1, 0))
    monkeypatch.setattr(evaluate, "CLIPS", 1)
    monkeypatch.setattr(sheet, "PORTRAITS", 2)
    monkeypatch.setattr(sheet, "SCENES", 1)
    monkeypatch.setattr(sheet, "CLIPS", 0)
    monkeypatch.setattr(quantise, "CANDIDATES", (quantise.Candidate(False, 0, 0),))
    monkeypatch.setattr(latency, "program", lambda: None)
    monkeypatch.setattr(evaluate, "PARITY_SIZES", ((64, 32),))
    workshop = Workshop(recipe, data_root, tmp_path / "cache", tmp_path / "packs", torch.device("cpu"))
    workshop.make()
    pack = tomllib.loads((tmp_path / "packs" / "test" / "pack.toml").read_text(encoding="utf-8"))
    files = {variant["file"] for variant in pack["variants"]} | {effect["thumbnail"] for effect in pack["effects"]}
    assert {path.name for path in (tmp_path / "packs" / "test").iterdir()} == files | {"pack.toml", "CARD.md"}
    assert any("CC0" in credit for credit in pack["credits"])
    assert [list(effect["scores"]) for effect in pack["effects"]] == [["t", "u"], ["t", "u"]]
    assert [variant["file"] for variant in pack["variants"]] == ["t.onnx", "t.onnx"]
    assert [effect["kind"] for effect in pack["effects"]] == ["painting", "print"]
    assert {path.name for path in workshop.sheet_folder.iterdir()} == {"contents.txt", "warm.jpg", "cold.jpg"}
    workshop.quantise()
    workshop.card()
    card = (tmp_path / "packs" / "test" / "CARD.md").read_text(encoding="utf-8")
    assert (
        "| t | int8, all styles |" in card
        and "ONNX Runtime alone" in card
        and "Variant u runs the weights of t" in card
    )
