from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from impasto_training.distil import perceptual_distance
from impasto_training.networks.mobilenet import initialise_encoder
from impasto_training.networks.student import ARCHITECTURES, InvertedResidual, Student

STYLES = 3


def test_a_blend_lies_between_its_styles() -> None:
    student = Student(ARCHITECTURES["tiny"], STYLES).eval()
    image = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        student.head.bias[0].fill_(-2.0)
        student.head.bias[1].fill_(2.0)
        dark, light, between = (student(image, torch.tensor([w])) for w in ([1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]))
    assert dark.mean() < between.mean() < light.mean()


def test_no_weights_can_paint_a_stipple() -> None:
    """Sub-pixels that disagree as much as they can leave no trace of period 2 away from the border."""
    student = Student(ARCHITECTURES["tiny"], STYLES).eval()
    with torch.no_grad():
        student.head.scale.zero_()
        student.head.bias.copy_(torch.tensor([1.0, -1.0, -1.0, 1.0]).repeat(3).expand(STYLES, 12) * 4.0)
        painted = student(torch.rand(1, 3, 32, 48), torch.eye(STYLES)[:1])
    torch.testing.assert_close(painted[:, :, 1:-1, 1:-1], torch.full((1, 3, 30, 46), 0.5))


def test_encoder_starts_as_mobilenet(data_root: Path) -> None:
    weights = data_root / "nets" / "mobilenet_v2_1.0_encoder_fp16.npz"
    student = Student(ARCHITECTURES["medium"], STYLES)
    pictures = torch.rand(2, 3, 64, 64)
    assert initialise_encoder(student, weights, pictures)
    student.eval()
    with np.load(weights) as file:
        source = {key: torch.from_numpy(file[key].astype(np.float32)) for key in file}

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight, bias = source[f"{name}.weight"], source[f"{name}.bias"]
        kernel = weight.shape[2]
        pad = (0, 1, 0, 1) if stride == 2 else (kernel // 2,) * 4
        return F.conv2d(F.pad(x, pad), weight, bias, stride, groups=x.shape[1] // weight.shape[1])

    vector = torch.full((2, STYLES), 1.0 / STYLES)
    # The network pads with black, MobileNetV2 with grey: compare away from the border.
    with torch.no_grad():
        expected = F.relu6(conv(2.0 * pictures - 1.0, "stem", 2))
        expected = conv(F.relu6(conv(expected, "block0.depthwise")), "block0.project")
        block = student.encoder[0]
        assert isinstance(block, InvertedResidual)
        got = block(student.stem(pictures, vector), vector)
    torch.testing.assert_close(got[:, :, 2:-2, 2:-2], expected[:, :, 2:-2, 2:-2], rtol=1e-2, atol=1e-2)


def test_lpips_orders_pictures(data_root: Path) -> None:
    distance = perceptual_distance(data_root)
    picture = F.interpolate(torch.rand(1, 3, 8, 8), size=(64, 96), mode="bilinear")
    slightly, strongly = picture + 0.05 * torch.randn_like(picture), torch.rand_like(picture)
    with torch.no_grad():
        same, near, far = (float(distance(picture, other)) for other in (picture, slightly, strongly))
    assert same == 0.0 and 0.0 < near < far
