"""The student: a UNet with a MobileNetV2 encoder and a decoder of MobileNet blocks, many styles in one network.

```
image [N, 3, H, W] ──stem──▶ 1/2 ─▶ 1/4 ─▶ 1/8 ─▶ 1/16
                             │      │      │       │
painted ◀─depth to space── 1/2 ◀── 1/4 ◀── 1/8 ◀───┘      ◀── : bilinear up, concatenate with the skip, blocks
```

Every convolution is followed by batch normalisation, which folds into it at export. Where a convolution is *styled*,
the scale and bias after the normalisation are looked up by style: row k of its tables belongs to style k, and a style
vector that is not one-hot mixes rows. At export these become one table, one product and plain `Mul` and `Add`, so a
fixed style folds into weights too.

A student may take a *canvas* beside the picture: noise at stroke scales and half the resolution (`canvas.py`), which
tells it where strokes lie. It joins the stem's output in front of the first block, and the skip in the last stage:

```
canvas [N, C, H/2, W/2] ──▶ (stem, canvas) ──▶ encoder.0 ...      (up, skip, canvas) ──▶ decoder.2
```

At half resolution it needs no step down, which would alias it, and costs 3 % of the arithmetic.

The last step up is a pixel shuffle whose four sub-pixels come from separate weights; left alone they drift apart into
a fine stipple. A fixed binomial filter on the shuffled logits, zero at the frequency of that stipple, removes it.

Hidden activations end at 6. A channel that hardly ever fires has a tiny variance, and normalising makes it large where
it does fire (a corner of the frame, say); without the bound that grows from block to block into a blot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto_training import canvas

STRIDE = 16
"""Height and width of an input are multiples of this."""

IMAGE_CHANNELS = 3


class Activation(StrEnum):
    """What follows a convolution."""

    NONE = "none"
    RELU6 = "relu6"
    SIGMOID = "sigmoid"


@dataclass(frozen=True)
class EncoderBlock:
    """An inverted residual: expand 1x1, depthwise 3x3 of `stride`, project 1x1."""

    channels: int
    expanded: int
    stride: int = 1


@dataclass(frozen=True)
class Architecture:
    """Widths of a student. `encoder[0]` has no expansion, as in MobileNetV2.

    `decoder` holds, from 1/8 up to 1/2, the output channels of the blocks at that resolution.
    """

    stem: int
    encoder: tuple[EncoderBlock, ...]
    decoder: tuple[tuple[int, ...], ...]
    canvas: int = 0
    """Channels of the canvas; 0 for a student that takes none."""


def mobilenet(
    stem: int, widths: tuple[int, int, int, int, int], expansion: int, deep_blocks: int
) -> tuple[EncoderBlock, ...]:
    """MobileNetV2's first blocks (to stride 16) with other widths."""
    w0, w1, w2, w3, w4 = widths
    blocks = [EncoderBlock(w0, stem), EncoderBlock(w1, w0 * expansion, 2), EncoderBlock(w2, w1 * expansion)]
    blocks += [EncoderBlock(w3, w2 * expansion, 2), EncoderBlock(w3, w3 * expansion), EncoderBlock(w3, w3 * expansion)]
    blocks += [EncoderBlock(w4, w3 * expansion, 2)]
    blocks += [EncoderBlock(w4, w4 * expansion) for _ in range(deep_blocks)]
    return tuple(blocks)


def _with_expanded(encoder: tuple[EncoderBlock, ...], block: int, expanded: int) -> tuple[EncoderBlock, ...]:
    """The same encoder with another hidden width in one block."""
    return (*encoder[:block], replace(encoder[block], expanded=expanded), *encoder[block + 1 :])


ARCHITECTURES = {
    "tiny": Architecture(8, mobilenet(8, (8, 8, 8, 8, 16), 2, 1), ((16,), (8,), (8, 8))),
    "small": Architecture(
        16,
        _with_expanded(mobilenet(16, (16, 24, 24, 32, 64), 4, 2), block=2, expanded=88),
        ((48, 48), (40, 40), (32, 32)),
    ),
    "medium": Architecture(32, mobilenet(32, (16, 24, 24, 32, 64), 6, 3), ((64, 64), (64, 64), (48, 48))),
}
CANVAS_SUFFIX = "-canvas"
ARCHITECTURES |= {name + CANVAS_SUFFIX: replace(known, canvas=canvas.CHANNELS) for name, known in ARCHITECTURES.items()}


class StyledConv(nn.Module):
    """Convolution, batch normalisation, scale and bias (per style if `styled`), activation.

    A stride of 2 pads below and to the right only, as MobileNetV2 was trained.
    """

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int,
        kernel: int,
        activation: Activation,
        styles: int,
        *,
        stride: int = 1,
        depthwise: bool = False,
        styled: bool = True,
    ) -> None:
        super().__init__()
        self.name = name
        self.activation = activation
        self.styled = styled
        # (top and left, bottom and right)
        self.padding = (0, 1) if stride == 2 else (kernel // 2, kernel // 2)
        groups = inputs if depthwise else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=False, momentum=0.02)
        rows = styles if styled else 1
        self.scale = nn.Parameter(torch.ones(rows, outputs))
        self.bias = nn.Parameter(torch.zeros(rows, outputs))
        self.calibrating: Tensor | None = None
        """While set to a bias `[outputs]`: make the next forward equal to the convolution plus this bias."""

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.conv.out_channels

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`x` `[N, C, H, W]`, `style` `[N, K]`, or `[1, K]` for all."""
        if style.shape[0] == 1 and not self.norm.training:
            return self._activated(self._folded(x, style))
        before, after = self.padding
        x = self.conv(F.pad(x, (before, after, before, after)))
        if self.calibrating is not None:
            self._calibrate(x, self.calibrating)
        x = self.norm(x)
        scale, bias = (style @ self.scale, style @ self.bias) if self.styled else (self.scale, self.bias)
        x = torch.addcmul(bias[:, :, None, None].to(x.dtype), x, scale[:, :, None, None].to(x.dtype))
        return self._activated(x)

    def _folded(self, x: Tensor, style: Tensor) -> Tensor:
        """The layer with fixed statistics and one style for the batch, folded into the weights: 2.5 times faster."""
        assert self.norm.running_mean is not None and self.norm.running_var is not None
        scale, bias = (style[0] @ self.scale, style[0] @ self.bias) if self.styled else (self.scale[0], self.bias[0])
        scale = scale * (self.norm.running_var + self.norm.eps).rsqrt()
        bias = bias - self.norm.running_mean * scale
        weight = self.conv.weight * scale[:, None, None, None]
        if self.conv.kernel_size == (1, 1):
            return F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
        before, after = self.padding
        if before == after:
            return F.conv2d(x, weight, bias, self.conv.stride, before, 1, self.conv.groups)
        x = F.pad(x, (before, after, before, after))
        return F.conv2d(x, weight, bias, self.conv.stride, 0, 1, self.conv.groups)

    def _activated(self, x: Tensor) -> Tensor:
        match self.activation:
            case Activation.RELU6:
                return F.relu6(x)
            case Activation.SIGMOID:
                return torch.sigmoid(x)
            case Activation.NONE:
                return x

    @torch.no_grad()
    def _calibrate(self, x: Tensor, bias: Tensor) -> None:
        """Sets statistics, scale and bias so that normalising and undoing it gives `x + bias`."""
        variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
        assert self.norm.running_mean is not None and self.norm.running_var is not None
        self.norm.running_mean.copy_(mean)
        self.norm.running_var.copy_(variance)
        self.scale.copy_((variance + self.norm.eps).sqrt().expand_as(self.scale))
        self.bias.copy_((mean + bias).expand_as(self.bias))


class InvertedResidual(nn.Module):
    """MobileNetV2's block. `styled` styles every convolution in it, else only the projection.

    The first block has no expansion and takes `canvas` channels more than it would.
    """

    def __init__(self, name: str, inputs: int, block: EncoderBlock, styles: int, styled: bool, canvas: int = 0) -> None:
        super().__init__()
        hidden = block.expanded + canvas
        self.residual = block.stride == 1 and inputs == block.channels
        self.expand = (
            StyledConv(f"{name}.expand", inputs, hidden, 1, Activation.RELU6, styles, styled=styled)
            if name != "encoder.0"
            else None
        )
        self.depthwise = StyledConv(
            f"{name}.depthwise", hidden, hidden, 3, Activation.RELU6, styles,
            stride=block.stride, depthwise=True, styled=styled,
        )  # fmt: skip
        self.project = StyledConv(f"{name}.project", hidden, block.channels, 1, Activation.NONE, styles)

    def forward(self, x: Tensor, style: Tensor, canvas: Tensor | None = None) -> Tensor:
        """`[N, C, H, W]` to `[N, C', H/stride, W/stride]`; the first block may take a canvas of the size of `x`."""
        hidden = x if self.expand is None else self.expand(x, style)
        if canvas is not None:
            hidden = torch.cat([hidden, canvas], dim=1)
        out: Tensor = self.project(self.depthwise(hidden, style), style)
        return x + out if self.residual else out


class SeparableBlock(nn.Module):
    """Depthwise 3x3, then pointwise 1x1; with a shortcut where the widths allow."""

    def __init__(self, name: str, inputs: int, outputs: int, styles: int) -> None:
        super().__init__()
        self.residual = inputs == outputs
        self.depthwise = StyledConv(f"{name}.depthwise", inputs, inputs, 3, Activation.RELU6, styles, depthwise=True)
        self.pointwise = StyledConv(f"{name}.pointwise", inputs, outputs, 1, Activation.RELU6, styles)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`[N, C, H, W]` to `[N, C', H, W]`."""
        out: Tensor = self.pointwise(self.depthwise(x, style), style)
        return x + out if self.residual else out


def binomial(channels: int) -> Tensor:
    """Depthwise kernel `[channels, 1, 3, 3]`, (1, 2, 1)/4 both ways; its response at the highest frequency is zero."""
    line = torch.tensor([0.25, 0.5, 0.25])
    return (line[:, None] * line[None, :]).expand(channels, 1, 3, 3).contiguous()


class Student(nn.Module):
    """`image` `[N, 3, H, W]`, 0..1, and `style` `[N, K]` to the painting, the same shape and range as the image.

    `style` may be `[1, K]`, one style for all. `canvas` is `[N, C, H/2, W/2]`, about -1..1.
    """

    def __init__(self, architecture: Architecture, styles: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.styles = styles
        width = architecture.stem
        self.stem = StyledConv("stem", IMAGE_CHANNELS, width, 3, Activation.RELU6, styles, stride=2, styled=False)
        self.encoder = nn.ModuleList()
        stage_widths = [width]
        reduction = 2
        for index, block in enumerate(architecture.encoder):
            reduction *= block.stride
            extra = architecture.canvas if index == 0 else 0
            self.encoder.append(
                InvertedResidual(f"encoder.{index}", width, block, styles, styled=reduction >= 8, canvas=extra)
            )
            width = block.channels
            if block.stride == 2:
                stage_widths.append(width)
            stage_widths[-1] = width
        self.decoder = nn.ModuleList()
        for level, widths in enumerate(architecture.decoder):
            stage = nn.ModuleList()
            width += stage_widths[-2 - level]
            if level == len(architecture.decoder) - 1:
                width += architecture.canvas
            for index, outputs in enumerate(widths):
                stage.append(SeparableBlock(f"decoder.{level}.{index}", width, outputs, styles))
                width = outputs
            self.decoder.append(stage)
        self.head = StyledConv("head", width, 4 * IMAGE_CHANNELS, 3, Activation.NONE, styles)
        self.register_buffer("smooth", binomial(IMAGE_CHANNELS), persistent=False)
        self._initialise_head()

    def _initialise_head(self) -> None:
        """ICNR: the four sub-pixels of a channel start equal, so the first picture has no grid."""
        kernel = torch.empty(IMAGE_CHANNELS, *self.head.conv.weight.shape[1:])
        nn.init.kaiming_normal_(kernel, nonlinearity="linear")
        with torch.no_grad():
            self.head.conv.weight.copy_(kernel.repeat_interleave(4, dim=0))

    def forward(self, image: Tensor, style: Tensor, canvas: Tensor | None = None) -> Tensor:
        """See the class. Without a `canvas` one of zeros is taken, where the architecture wants one."""
        x = self.stem(image, style)
        if self.architecture.canvas:
            if canvas is None:
                canvas = x.new_zeros(x.shape[0], self.architecture.canvas, *x.shape[2:])
            canvas = canvas.to(x.dtype)
        else:
            canvas = None
        skips: list[Tensor] = []
        for index, (block, settings) in enumerate(zip(self.encoder, self.architecture.encoder, strict=True)):
            if settings.stride == 2:
                skips.append(x)
            x = block(x, style, canvas) if index == 0 else block(x, style)
        for stage in self.decoder:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = torch.cat([x, skips.pop()], dim=1)
            if not skips and canvas is not None:
                x = torch.cat([x, canvas], dim=1)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, style)
        logits = F.pixel_shuffle(self.head(x, style), 2)
        smooth = self.get_buffer("smooth").to(logits.dtype)
        return torch.sigmoid(F.conv2d(logits, smooth, padding=1, groups=IMAGE_CHANNELS))

    def convolutions(self) -> Iterator[StyledConv]:
        """All convolutions, in the order in which they run."""
        return (module for module in self.modules() if isinstance(module, StyledConv))

    def parameter_count(self) -> int:
        """Trained numbers, all styles included."""
        return sum(parameter.numel() for parameter in self.parameters())
