from pathlib import Path

import numpy as np

from impasto_training import data
from impasto_training.data import Content, Part, Photo, View
from impasto_training.disguise import covered
from impasto_training.faces import Face
from impasto_training.images import save_picture


def test_split_depends_on_the_bytes_alone(tmp_path: Path) -> None:
    for index in range(40):
        (tmp_path / f"{index}.jpg").write_bytes(str(index).encode())
    parts = {photo.path.name: photo.part for photo in data.scan(tmp_path)}
    held_out = {name for name, part in parts.items() if part is Part.VALIDATION}
    # Changing this set means that networks are judged on pictures that others were trained on.
    assert held_out == {"11.jpg"}
    (tmp_path / "sub").mkdir()
    (tmp_path / "11.jpg").rename(tmp_path / "sub" / "renamed.jpg")
    assert {p.path.name: p.part for p in data.scan(tmp_path)}["renamed.jpg"] is Part.VALIDATION


def test_no_photo_is_on_both_sides(tmp_path: Path) -> None:
    photos = [Photo(tmp_path / str(i), f"{i:08x}" + "0" * 56) for i in range(30)]
    training = data.training_contents(photos, photos, 99, 99, 5)
    validation = data.validation_contents(photos, photos, 99)
    seen = {photo for content in training for photo in content.photos}
    held = {photo for content in validation for photo in content.photos}
    assert held and seen and not held & seen


def test_views_give_squares_of_the_side_asked_for(tmp_path: Path) -> None:
    picture = np.zeros((50, 80, 3), np.uint8)
    save_picture(picture, tmp_path / "a.png")
    photo = Photo.read(tmp_path / "a.png")
    for view, count in ((View.WHOLE, 1), (View.CLOSE, 1), (View.MOSAIC, 4)):
        assert Content((photo,) * count, view).picture(32).shape == (32, 32, 3)


def test_a_covered_portrait_has_something_before_its_face_and_nowhere_else(tmp_path: Path) -> None:
    save_picture(np.full((96, 96, 3), 128, np.uint8), tmp_path / "face.png")
    save_picture(np.zeros((96, 96, 3), np.uint8), tmp_path / "thing.png")
    photos = Photo.read(tmp_path / "face.png"), Photo.read(tmp_path / "thing.png")
    picture = Content(photos, View.COVERED).picture(96)
    changed = (picture != 128).any(axis=-1)
    assert 0.01 < changed.mean() < 0.6 and not changed[:8].any()
    assert np.array_equal(picture, Content(photos, View.COVERED).picture(96))


def test_every_kind_of_cover_covers() -> None:
    grey, black = np.full((96, 96, 3), 128, np.uint8), np.zeros((96, 96, 3), np.uint8)
    covers = [covered(grey, Face(24, 16, 72, 80, 0.9), black, seed) for seed in range(24)]
    assert all((cover != grey).any() for cover in covers)
    assert len({cover.tobytes() for cover in covers}) == len(covers)
