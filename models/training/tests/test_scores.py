from pathlib import Path

import pytest

from conftest import evaluation
from impasto_training.scores import Evaluation, Groups, GroupScore, Quantised, Trials, load, save


def test_evaluation_survives_storage(tmp_path: Path) -> None:
    evaluation().save(tmp_path / "t.json")
    assert Evaluation.load(tmp_path / "t.json") == evaluation()


def test_trials_survive_storage(tmp_path: Path) -> None:
    trials = Trials("abc", (Quantised("int8", 5, 36.0, None, 35.0),))
    save(trials, tmp_path / "t.json")
    assert load(Trials, tmp_path / "t.json") == trials


def test_the_worst_group_stands_against_the_mean_of_the_groups() -> None:
    # Portraits per group do not matter: a large group would else hide what happens to a small one.
    groups = [GroupScore("1-3", 50, 0.1, 0.3), GroupScore("7-10", 1, 0.3, 0.1)]
    whole, face = Groups.worst(groups, face=False), Groups.worst(groups, face=True)
    assert whole is not None and whole[0] == "7-10" and whole[1] == pytest.approx(1.5)
    assert face is not None and face[0] == "1-3"
    assert Groups.worst(groups[:1], face=False) is None


@pytest.mark.parametrize(
    ("psnr", "ratio", "ships"), [(36.0, 0.8, True), (34.9, 0.5, False), (40.0, 1.2, False), (36.0, None, True)]
)
def test_a_build_ships_if_it_passes_and_is_faster(psnr: float, ratio: float | None, ships: bool) -> None:
    assert Quantised("int8", 1, psnr, ratio, 35.0).ships is ships
