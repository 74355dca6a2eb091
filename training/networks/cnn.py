"""A convolutional network in stages: each widens, halves the picture, and may add its input back (residual).

A stage is convolution → pool → norm → activation, then so many more convolutions as the recipe says, each behind a
shortcut (He et al. 2015). A first small convolution looks at the pixels, and of the last picture each channel's
highest value counts.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from training.activations import activation
from training.networks.two_sided import averaged
from training.sections import ActivationName, Cnn, NormName

_STEM = 32
_PATCH = 2  # side of what a whitened stem looks at
_EVEN = 2e-2  # added to the patches' variances, so that what compression left of a direction is not blown up


class ConvLayer(nn.Module):
    """Convolution 3×3, pool where wanted, norm, activation: `[N, in, H, W]` to `[N, out, H, W]` or half of it."""

    def __init__(self, inputs: int, outputs: int, norm: NormName, name: ActivationName, *, is_pooled: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == "none")
        if is_pooled:
            self.pool = nn.MaxPool2d(2)
        self.norm = _norm(norm, outputs)
        self.is_pooled = is_pooled
        self.activation = activation(name)

    def forward(self, x: Tensor) -> Tensor:
        """One layer further; pooling comes first, since what follows it then costs a quarter."""
        x = self.conv(x)
        y: Tensor = self.activation(self.norm(self.pool(x) if self.is_pooled else x))
        return y


class WhitenedStem(nn.Module):
    """A first convolution whose filters are the principal directions of small patches, scaled to unit variance.

    Each direction comes with both signs, so nothing is lost behind a ReLU. The filters are worked out from pictures
    before training and stay; only the biases learn. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds" (2024).
    """

    def __init__(self, channels: int, name: ActivationName) -> None:
        super().__init__()
        self.outputs = 2 * channels * _PATCH**2
        self.conv = nn.Conv2d(channels, self.outputs, _PATCH)
        self.conv.weight.requires_grad_(False)
        self.activation = activation(name)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Work the filters out from normalised pictures `[N, channels, H, W]`."""
        patches = nn.functional.unfold(images, _PATCH).transpose(1, 2).flatten(0, 1).double()
        patches = patches - patches.mean(0)
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / (variances.clamp(min=0) + _EVEN).sqrt()).T.flip(0)
        filters = filters.reshape(-1, *self.conv.weight.shape[1:]).to(self.conv.weight.dtype)
        self.conv.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, x: Tensor) -> Tensor:
        """`[N, channels, H, W]` to `[N, outputs, H−1, W−1]`."""
        y: Tensor = self.activation(self.conv(x))
        return y


class Stage(nn.Module):
    """Widen and halve, then look again `blocks` times."""

    def __init__(self, inputs: int, outputs: int, section: Cnn) -> None:
        super().__init__()
        settings = (section.norm, section.activation)
        self.widen = ConvLayer(inputs, outputs, *settings, is_pooled=True)
        self.blocks = nn.ModuleList(
            ConvLayer(outputs, outputs, *settings, is_pooled=False) for _ in range(section.blocks)
        )
        self.is_residual = section.residual

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in, H, W]` to `[N, out, H/2, W/2]`."""
        x = self.widen(x)
        for block in self.blocks:
            x = x + block(x) if self.is_residual else block(x)
        return x


class CnnNetwork(nn.Module):
    """Normalised floats `[N, channels, H, W]` to logits `[N, outputs]`."""

    def __init__(self, section: Cnn, channels: int, outputs: int) -> None:
        super().__init__()
        self.stem: WhitenedStem | ConvLayer
        if section.stem == "whitened":
            self.stem = WhitenedStem(channels, section.activation)
            widths = [self.stem.outputs, *section.widths]
        else:
            self.stem = ConvLayer(channels, _STEM, section.norm, section.activation, is_pooled=False)
            widths = [_STEM, *section.widths]
        self.stages = nn.Sequential(*(Stage(before, after, section) for before, after in pairwise(widths)))
        self.dropout = nn.Dropout(section.dropout)
        self.classifier = nn.Linear(widths[-1], outputs)
        self.logit_scale = section.logit_scale
        self.is_two_sided = section.two_sided

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, outputs]`; once trained, where wanted, averaged over the picture and its mirror image."""
        if self.training or not self.is_two_sided:
            return self._logits(x)
        return averaged(self._logits, x)

    def _logits(self, x: Tensor) -> Tensor:
        pooled = self.stages(self.stem(x)).amax((2, 3))
        logits: Tensor = self.logit_scale * self.classifier(self.dropout(pooled))
        return logits


def _norm(name: NormName, width: int) -> nn.Module:
    """`layer` normalises over all channels and places of each example, by group norm of one group."""
    if name == "batch":
        return nn.BatchNorm2d(width)
    return nn.GroupNorm(1, width) if name == "layer" else nn.Identity()
