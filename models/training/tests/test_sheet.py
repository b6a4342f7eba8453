from pathlib import Path

import numpy as np

from impasto_training import sheet
from impasto_training.data import HELD_OUT_ONE_IN, Part, Photo
from impasto_training.sheet import CELL, COLUMNS, LABEL, Exhibit, Sitter, compose, spread
from impasto_training.skin import Tone


def sitter(index: int, monk: int, light: float, held_out: bool = False) -> Sitter:
    first = index * HELD_OUT_ONE_IN + (0 if held_out else 1)
    return Sitter(Photo(Path(f"{index}.jpg"), f"{first:08x}" + "0" * 56), Tone(monk, (light, 10.0, 10.0)))


def test_sitters_come_from_all_groups_and_held_out_first() -> None:
    many = [sitter(i, 5, 60.0 + i / 10) for i in range(40)]
    few = [sitter(50, 2, 90.0), sitter(51, 8, 25.0), sitter(52, 5, 65.5, held_out=True)]
    chosen = spread([*many, *few, Sitter(Photo(Path("grey.jpg"), "1" * 64), None)], 6)
    assert len(chosen) == 6
    assert {s.photo.path.name for s in chosen} >= {"50.jpg", "51.jpg", "52.jpg"}
    assert [s.tone.lab[0] for s in chosen if s.tone] == sorted(s.tone.lab[0] for s in chosen if s.tone)
    assert sum(s.photo.part is Part.VALIDATION for s in chosen) == 1


def test_too_few_sitters_are_all_taken() -> None:
    assert len(spread([sitter(1, 5, 60.0)], 12)) == 1


def test_a_sheet_has_a_row_per_painter_in_every_block() -> None:
    shown = [Exhibit(str(i), np.full((8, 8, 3), 10 * i, np.uint8), None) for i in range(COLUMNS + 1)]
    picture = compose(shown, [("negative", lambda exhibit: 255 - exhibit.picture)])
    assert picture.shape == (4 * (CELL + LABEL), CELL * COLUMNS, 3)
    second_block = 2 * (CELL + LABEL) + LABEL + CELL // 2
    assert picture[second_block, CELL // 2, 0] == 10 * COLUMNS
    assert picture[second_block + CELL + LABEL, CELL // 2, 0] == 255 - 10 * COLUMNS
    assert picture[second_block, CELL + CELL // 2, 0] == 255


def test_the_sheets_show_what_they_must() -> None:
    assert sheet.PORTRAITS >= 12 and sheet.SCENES >= 6 and sheet.CLIPS >= 3
