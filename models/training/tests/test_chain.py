import tomllib
from pathlib import Path

import pytest
import torch

from impasto_training import evaluate
from impasto_training.make import Workshop
from impasto_training.recipe import Recipe


def test_make_leaves_a_whole_pack(
    recipe: Recipe, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "STABILITY_PICTURES", 1)
    monkeypatch.setattr(evaluate, "PARITY_SIZES", ((64, 32),))
    workshop = Workshop(recipe, data_root, tmp_path / "cache", tmp_path / "packs", torch.device("cpu"))
    workshop.make()
    pack = tomllib.loads((tmp_path / "packs" / "test" / "pack.toml").read_text(encoding="utf-8"))
    files = {variant["file"] for variant in pack["variants"]} | {effect["thumbnail"] for effect in pack["effects"]}
    assert {path.name for path in (tmp_path / "packs" / "test").iterdir()} == files | {"pack.toml", "CARD.md"}
    assert any("CC0" in credit for credit in pack["credits"])
    assert workshop.evaluation_path(recipe.variants[0]).with_suffix(".png").exists()
