import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

from conftest import evaluation
from impasto_training import canvas, card, fixture, pack
from impasto_training.engine import Engine
from impasto_training.evaluate import parity
from impasto_training.paths import packs_root
from impasto_training.recipe import Recipe, ReliefOfEffect
from impasto_training.scores import HALF_GATE_DB, Brushwork, Evaluation, Quantised
from impasto_training.teach import Lesson


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


def test_pack_describes_reliefs(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    fixture.write(path)
    packed = pack.describe(recipe.variants[0], path)
    first, second = recipe.effects
    thick = replace(first, relief=ReliefOfEffect(thickness=0.5, width=1.4))
    table = tomllib.loads(pack.pack_toml(replace(recipe, effects=(thick, second)), [packed], []))
    assert table["effects"][0]["relief"] == {"thickness": 0.5, "width": 1.4}
    assert "relief" not in table["effects"][1]


def test_pack_lists_the_scores_of_its_own_files_alone(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    fixture.write(path)
    packed = pack.describe(recipe.variants[0], path)
    measured = replace(evaluation(), sha256=packed.sha256)
    table = tomllib.loads(pack.pack_toml(recipe, [packed], [], [measured]))
    warm, cold = (effect["scores"]["t"] for effect in table["effects"])
    assert warm["portraits_lpips"] == 0.15 and warm["teacher_warping"] == 4.0
    assert warm["worst_tone_group_face"] == 1.2
    assert "clip_flicker" in warm and "clip_flicker" not in cold
    assert table["variants"][0]["measured"]["latency_p50_ms"] == 5.0
    assert "Test CPU" in table["variants"][0]["machine"]
    other = tomllib.loads(pack.pack_toml(recipe, [packed], [], [evaluation()]))
    assert "scores" not in other["effects"][0] and "measured" not in other["variants"][0]


def test_parity_of_the_fixture(tmp_path: Path) -> None:
    fixture.write(tmp_path / "t.onnx")
    psnr, largest = parity(fixture.student(), Engine(tmp_path / "t.onnx", threads=1), seed=1)
    assert psnr > HALF_GATE_DB and largest < 0.1


def test_card_names_what_is_weak(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    fixture.write(path)
    tried = Quantised("int8 QDQ", 1234, 30.0, 0.9, 35.0)
    packed = pack.describe(recipe.variants[0], path)
    subject = card.Subject(packed, card.Training(6, 12, 60.0), evaluation(), [tried])
    text = card.card(recipe, Lesson([], [], []), [subject], ["somebody"])
    assert "flickers by more than 1.5 of 255: cold 1.80" in text
    assert "the input has 0.4): cold 3.0 (0.9) to 4.0." in text
    assert "faces alone: warm (Monk 7-10, +20 %), cold (Monk 7-10, +20 %)" in text
    assert "No held-out portrait is in: 4-6." in text
    assert "| t | int8 QDQ | 1 | 30.0 | 35 | 0.90 | no |" in text
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


BRUSHWORK = Brushwork((0.7, 0.6, 0.5, 0.3), (0.5, 0.6), 0.8, 1.1, 3.0, 1.0, 0.9)


def test_a_network_with_a_canvas_is_described_with_it(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "t.onnx"
    fixture.write(path, canvas=True)
    packed = pack.describe(recipe.variants[0], path)
    effects = evaluation().effects
    measured = replace(
        evaluation(), sha256=packed.sha256, effects=(replace(effects[0], brushwork=BRUSHWORK), effects[1])
    )
    table = tomllib.loads(pack.pack_toml(recipe, [packed], [], [measured]))
    assert table["canvas"] == {"seed": canvas.SEED, "channels": canvas.CHANNELS}
    painting, algorithm = table["effects"]
    assert painting["canvas"] == {"strength": 1.0, "scale": 1.0} and "canvas" not in algorithm
    scores = painting["scores"]["t"]
    assert scores["style_share"] == 0.525 and scores["style_share_least"] == 0.3
    assert "style_share" not in algorithm["scores"]["t"]
    subject = card.Subject(packed, card.Training(6, 12, 60.0), measured, [])
    text = card.card(recipe, Lesson([], [], []), [subject], ["somebody"])
    assert "brushwork: style share of a layer below 0.4: 1 of 1 paintings: warm 0.30." in text
    assert "brushwork: flicker above 1.5 of 255: no painting." in text
    assert "error under motion above 2.5 times what resampling causes: 1 of 1 paintings: warm 3.00." in text
    assert "| warm | 0.70 | 0.60 | 0.50 | 0.30 |" in text


def test_measurements_survive_their_file(tmp_path: Path) -> None:
    effects = evaluation().effects
    measured = replace(evaluation(), effects=(replace(effects[0], brushwork=BRUSHWORK), effects[1]))
    measured.save(tmp_path / "t.json")
    assert Evaluation.load(tmp_path / "t.json") == measured
