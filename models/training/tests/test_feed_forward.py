from pathlib import Path

import numpy as np
import pytest
import torch

from impasto_training.images import Picture, save_picture
from impasto_training.networks.squeezenet import LpipsSqueeze
from impasto_training.teachers import feed_forward
from impasto_training.teachers.base import tensor
from impasto_training.teachers.feed_forward import FeedForwardTeacher, Network, Perception, Settings, gram
from impasto_training.teachers.registry import CPU, TeacherError, teacher

TINY = Settings(width=4, steps=6, batch=1, crop=64, stroke=64, photos=2)


def blocks(seed: int, side: int = 96) -> Picture:
    small = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    return small.repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture
def eyes(data_root: Path) -> LpipsSqueeze:
    nets = data_root / "nets"
    return LpipsSqueeze(nets / "squeezenet1_1_fp16.npz", nets / "lpips_v0.1_squeeze_heads.pth")


@pytest.fixture
def studio(data_root: Path, tmp_path: Path) -> Path:
    """A data folder with four photos, a painting, and the real nets."""
    for index in range(4):
        save_picture(blocks(index), tmp_path / "photos" / "portraits" / f"{index}.png")
    save_picture(blocks(9), tmp_path / "paintings" / "blocks.png")
    (tmp_path / "nets").symlink_to(data_root / "nets")
    return tmp_path


def make(studio: Path, settings: Settings = TINY) -> FeedForwardTeacher:
    return FeedForwardTeacher(studio / "paintings" / "blocks.png", 0.0, settings, studio, studio / "cache", CPU)


def test_training_lowers_the_loss(eyes: LpipsSqueeze) -> None:
    torch.manual_seed(0)
    photo = tensor([blocks(1, 64).astype(np.float32) / 255.0])
    perception = Perception(eyes, tensor([blocks(2, 64).astype(np.float32) / 255.0]), TINY)
    network = Network(4)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        loss = perception.loss(network, photo, torch.Generator().manual_seed(1))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_the_model_itself_has_no_style_loss(eyes: LpipsSqueeze) -> None:
    model = tensor([blocks(2, 64).astype(np.float32) / 255.0])
    perception = Perception(eyes, model, TINY)
    assert float(perception.style(model)) < 1e-6 < float(perception.style(1.0 - model))
    assert float(perception.content(model, model)) < 1e-6


def test_gram_forgets_where() -> None:
    features = torch.rand(1, 3, 8, 6, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(gram(features), gram(features.flip(2, 3)), atol=1e-6)


def test_it_is_trained_once_and_paints(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(studio)
    first.prepare()
    assert first.path.exists()
    monkeypatch.setattr(feed_forward, "train", lambda *_: pytest.fail("the cache was not used"))
    second = make(studio)
    picture = blocks(5)
    painted = second.paint_all([picture, picture[::-1].copy()])
    assert [p.shape for p in painted] == [picture.shape] * 2
    assert np.abs(painted[0].astype(int) - second.paint(picture)).max() <= 1
    assert make(studio, Settings(width=4, steps=7)).path != first.path


def test_an_interrupted_training_ends_the_same(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(studio)
    whole.prepare()
    wanted = torch.load(whole.path, weights_only=True)
    whole.path.unlink()
    monkeypatch.setattr(feed_forward, "CHECKPOINT_SECONDS", 0.0)
    loss, calls = Perception.loss, []

    def dies(self: Perception, *arguments: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return loss(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Perception, "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        make(studio).prepare()
    make(studio).prepare()
    assert len(calls) == 4 + 3
    for name, value in torch.load(whole.path, weights_only=True).items():
        assert torch.allclose(value, wanted[name], atol=1e-5), name


def test_keys_tell_paintings_photos_and_settings_apart(studio: Path) -> None:
    facts = make(studio).facts()
    save_picture(blocks(77), studio / "photos" / "portraits" / "more.png")
    assert make(studio).facts().keys() == facts.keys()
    table = {"method": "feed-forward", "painting": "paintings/blocks.png", "smoothing": 0.0}
    assert teacher(table | {"steps": 5}, studio).facts() != teacher(table, studio).facts()
    with pytest.raises(TeacherError, match="multiple of 4"):
        teacher(table | {"crop": 65}, studio)
    with pytest.raises(TeacherError, match="no painting"):
        teacher(table | {"painting": "paintings/none.png"}, studio)
