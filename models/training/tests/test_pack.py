import hashlib
import tomllib
from pathlib import Path

from impasto_training import card, fixture, pack
from impasto_training.engine import Engine
from impasto_training.evaluate import EffectScore, Evaluation, Likeness, parity
from impasto_training.paths import packs_root
from impasto_training.recipe import Recipe
from impasto_training.teach import Lesson


def evaluation() -> Evaluation:
    likeness = Likeness(20.0, 0.7, 0.15)
    effects = [
        EffectScore("warm", likeness, likeness, Likeness(12.0, 0.5, 0.5), 1.0, 2.0, 5.0, 6.0),
        EffectScore("cold", likeness, Likeness(19.0, 0.6, 0.25), Likeness(11.0, 0.4, 0.6), 1.8, 2.5, 5.0, 6.0),
    ]
    return Evaluation("t", 4, 2, 2.2, 60.0, 0.001, 5.0, 6.0, "2 x Test CPU", 0.5, effects)


def test_pack_describes_its_files(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    fixture.write(path)
    text = pack.pack_toml(recipe, [pack.describe(recipe.variants[0], path)], ['somebody\'s "photos"'])
    table = tomllib.loads(text)
    assert table["schema"] == "impasto.pack/1" and table["credits"] == ['somebody\'s "photos"']
    (variant,) = table["variants"]
    assert variant["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert variant["bytes"] == path.stat().st_size
    assert variant["pixel_budget"] == 64 * 32
    assert [effect["style"] for effect in table["effects"]] == [0, 1]


def test_evaluation_survives_storage(tmp_path: Path) -> None:
    evaluation().save(tmp_path / "t.json")
    assert Evaluation.load(tmp_path / "t.json") == evaluation()


def test_parity_of_the_fixture(tmp_path: Path) -> None:
    fixture.write(tmp_path / "t.onnx")
    psnr, largest = parity(fixture.student(), Engine(tmp_path / "t.onnx", threads=1), seed=1)
    assert psnr > card.PARITY_GATE_DB and largest < 0.1


def test_card_names_what_is_weak(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    fixture.write(path)
    text = card.card(
        recipe,
        Lesson([], [], []),
        [pack.describe(recipe.variants[0], path)],
        [card.Training(6, 12, 60.0)],
        [evaluation()],
        ["somebody"],
    )
    assert "flickers by more than 1.5 of 255: cold" in text
    assert "python -m impasto_training make test" in text


def test_shipped_packs_match_their_description() -> None:
    for described in packs_root().glob("*/pack.toml"):
        table = tomllib.loads(described.read_text(encoding="utf-8"))
        assert table["name"] == described.parent.name
        for variant in table["variants"]:
            content = (described.parent / variant["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == variant["sha256"], variant["file"]
        for effect in table["effects"]:
            assert (described.parent / effect["thumbnail"]).stat().st_size < pack.THUMBNAIL_BYTES
