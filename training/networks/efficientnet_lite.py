"""EfficientNet-Lite 0 to 4: mobile inverted bottlenecks without squeeze-and-excitation, ReLU6 throughout.

Source: Tan and Le, "EfficientNet" (arXiv 1905.11946) and the Lite variants of its reference implementation
(tensorflow/tpu, models/official/efficientnet/lite). Padding is TensorFlow's "same": where an odd number of pixels is
missing, the odd one goes to the right and the bottom. The network takes normalised floats and gives logits; it knows
neither pixels nor classes' names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.two_sided import averaged

_NORM_EPS = 1e-3
_NORM_MOMENTUM = 0.01
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_CHANNEL_DIVISOR = 8


@dataclass(frozen=True)
class Stage:
    """A run of equal blocks at width and depth factor 1; the first block has the stride and changes the channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Scale:
    """One size of the family: factors of width and depth, the square it was trained on, and its dropout."""

    width: float
    depth: float
    crop_px: int
    dropout: float


SCALES = {
    0: Scale(1.0, 1.0, 224, 0.2),
    1: Scale(1.0, 1.1, 240, 0.2),
    2: Scale(1.1, 1.2, 260, 0.3),
    3: Scale(1.2, 1.4, 280, 0.3),
    4: Scale(1.4, 1.8, 300, 0.3),
}


def scaled_channels(channels: int, width: float) -> int:
    """`channels * width` rounded to a multiple of 8, never more than a tenth below it."""
    wanted = channels * width
    rounded = max(_CHANNEL_DIVISOR, int(wanted + _CHANNEL_DIVISOR / 2) // _CHANNEL_DIVISOR * _CHANNEL_DIVISOR)
    return rounded + _CHANNEL_DIVISOR if rounded < 0.9 * wanted else rounded


def scaled_stages(scale: Scale) -> list[Stage]:
    """The stages of one size; the first and the last keep their depth (a rule of the Lite variants)."""
    ends = (0, len(STAGES) - 1)
    return [
        Stage(
            each.repeats if i in ends else math.ceil(each.repeats * scale.depth),
            each.kernel,
            each.stride,
            each.expansion,
            scaled_channels(each.channels, scale.width),
        )
        for i, each in enumerate(STAGES)
    ]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels to add before and after one axis so that `ceil(size / stride)` come out; the odd one goes after."""
    missing = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    return missing // 2, missing - missing // 2


class SameConv2d(nn.Conv2d):
    """A convolution with "same" padding, worked out from the size of each input."""

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in, H, W]` to `[N, out, ceil(H / stride), ceil(W / stride)]`."""
        top, bottom = same_padding(x.shape[2], self.kernel_size[0], self.stride[0])
        left, right = same_padding(x.shape[3], self.kernel_size[1], self.stride[1])
        if top == bottom and left == right:
            return F.conv2d(x, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups)
        return super().forward(F.pad(x, (left, right, top, bottom)))


class ConvNorm(nn.Module):
    """Convolution, batch norm and, unless told otherwise, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, is_linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, _NORM_EPS, _NORM_MOMENTUM)
        self.is_linear = is_linear

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in, H, W]` to `[N, out, ceil(H / stride), ceil(W / stride)]`."""
        y: Tensor = self.norm(self.conv(x))
        return y if self.is_linear else F.relu6(y)


class Block(nn.Module):
    """Inverted bottleneck: widen 1×1, filter depthwise, narrow 1×1 linearly, add the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride=stride, groups=wide)
        self.project = ConvNorm(wide, outputs, is_linear=True)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in, H, W]` to `[N, out, ceil(H / stride), ceil(W / stride)]`."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_residual else y


class EfficientNetLite(nn.Module):
    """The classifier: normalised floats `[N, 3, H, W]` to logits `[N, classes]`."""

    def __init__(self, scale: Scale, classes: int = 1000) -> None:
        super().__init__()
        stages = scaled_stages(scale)
        self.stem = ConvNorm(3, _STEM_CHANNELS, 3, stride=2)
        self.blocks = nn.Sequential(*_blocks(stages))
        self.head = ConvNorm(stages[-1].channels, _HEAD_CHANNELS)
        self.dropout = nn.Dropout(scale.dropout)
        self.classifier = nn.Linear(_HEAD_CHANNELS, classes)
        self.is_two_sided = False

    def features(self, x: Tensor) -> Tensor:
        """The last feature map, `[N, 1280, ceil(H / 32), ceil(W / 32)]`."""
        y: Tensor = self.head(self.blocks(self.stem(x)))
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, classes]`; once trained, where wanted, averaged over the picture and its mirror image."""
        if self.training or not self.is_two_sided:
            return self._logits(x)
        return averaged(self._logits, x)

    def _logits(self, x: Tensor) -> Tensor:
        pooled = self.features(x).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits


def _blocks(stages: list[Stage]) -> list[Block]:
    blocks, inputs = [], _STEM_CHANNELS
    for stage in stages:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            blocks.append(Block(inputs, stage.channels, stage.kernel, stride, stage.expansion))
            inputs = stage.channels
    return blocks


# The published state dicts' names, and ours.
_PUBLISHED = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_fc\.", "classifier."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)


def own_key(published: str) -> str:
    """Our name of a tensor of the published state dicts (`_conv_stem.weight`, …); others are left as they are."""
    for pattern, ours in _PUBLISHED:
        renamed, count = re.subn(pattern, ours, published)
        if count:
            return renamed
    return published


def load(network: EfficientNetLite, state: Mapping[str, Tensor]) -> None:
    """Copy a state dict, published or ours, into the network.

    Raises:
        RuntimeError: a tensor is missing, unknown, or has another shape.
    """
    renamed = {own_key(key): value for key, value in state.items()}
    network.load_state_dict(renamed, strict=True)
