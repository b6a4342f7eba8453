from pathlib import Path

import numpy as np
import pytest
from skimage.color import lab2rgb

from impasto_training import clips, skin
from impasto_training.data import scan
from impasto_training.evaluate import face_slices
from impasto_training.faces import Face, FaceFinder, _priors
from impasto_training.images import Picture, load_picture, to_picture

FACE = Face(20, 10, 80, 90, 1.0)


def portrait(lab: tuple[float, float, float]) -> Picture:
    """A face of one colour with dark eyes, red lips and a green background."""
    picture = np.empty((100, 100, 3))
    picture[:] = lab2rgb(np.asarray([[[60.0, -40.0, 30.0]]]))[0, 0]
    picture[10:90, 20:80] = lab2rgb(np.asarray([[lab]]))[0, 0]
    picture[38:44, 32:44] = picture[38:44, 56:68] = 0.05
    picture[66:72, 40:60] = (0.7, 0.2, 0.25)
    return to_picture(picture)


@pytest.mark.parametrize("monk", [4, 5, 6, 7, 8])
def test_a_face_in_a_swatch_s_colour_has_its_tone(monk: int) -> None:
    light, a, b = skin.swatches()[monk - 1]
    found = skin.tone(portrait((light, a + 2.0, b)), FACE)
    assert found is not None and found.monk == monk
    assert monk in skin.GROUPS[found.group]


def test_a_monochrome_face_has_no_tone() -> None:
    assert skin.tone(portrait((60.0, 0.0, 0.0)), FACE) is None


def test_every_tone_has_one_group() -> None:
    assert sorted(tone for group in skin.GROUPS.values() for tone in group) == list(range(1, 11))


def test_faces_are_cut_on_the_grid_and_inside() -> None:
    rows, columns = face_slices(Face(3, 370, 50, 383, 1.0), 384)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (368, 384, 0, 64)


def test_the_detector_s_grids_have_as_many_boxes_as_it_answers() -> None:
    assert _priors().shape == (4420, 4)


def test_faces_of_portraits_are_found(data_root: Path) -> None:
    finder = FaceFinder(data_root)
    portraits = scan(data_root / "photos" / "portraits")[:8]
    found = [finder.find(load_picture(photo.path)) for photo in portraits]
    faces = [face for face in found if face is not None]
    assert len(faces) >= 7
    for face in faces:
        # Photos are 640 x 640 with one person in the middle.
        assert 80 < face.right - face.left < 400 and 100 < (face.left + face.right) / 2 < 540


def test_a_plain_wall_is_no_face(data_root: Path) -> None:
    assert FaceFinder(data_root).find(np.full((64, 96, 3), 128, np.uint8)) is None


def test_clips_come_as_squares(data_root: Path) -> None:
    found = clips.find(data_root / "clips", 3)
    if not found:
        pytest.skip("no clips, or no ffmpeg")
    assert len({clip.name for clip in found}) == 3
    frames = found[0].frames(64, first=10, count=3)
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 3
    again = found[0].frames(64, first=11, count=1)
    assert np.array_equal(frames[1], again[0])


def test_a_broken_clip_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.mkv").write_bytes(b"nothing")
    if not clips.find(tmp_path, 1):
        pytest.skip("no ffmpeg")
    with pytest.raises(clips.ClipError, match=r"no\.mkv"):
        clips.Clip(tmp_path / "no.mkv").frames(64, 0, 1)


def test_without_clips_there_are_none(tmp_path: Path) -> None:
    assert clips.find(tmp_path / "absent", 3) == []
