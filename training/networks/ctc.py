"""An acoustic model for CTC: log-mel → convolutions that halve the frames → recurrent or attention layers → tokens.

Batches hold recordings of different lengths. Everything that looks along time masks what is padding, so a recording
in a batch gives what it gives alone (up to rounding). Batch norm would mix them; layer norm does not.
Source of the loss's idea: Graves et al., "Connectionist temporal classification" (2006).
"""

from __future__ import annotations

import math
from itertools import pairwise

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from training.activations import activation
from training.networks.log_mel import RATE_HZ, FourierPower
from training.sections import Ctc

HOP = 160  # samples: 10 ms
_FLOOR = 1e-6
_SCALE = 4.0  # brings log-mel differences to about −1…1
_RANGE = 2.5  # of these features: 43 dB
_FAINT = -1.0  # what is never louder than this is not made louder
_POSITION_KERNEL = 31  # frames that a place is felt by, for attention


class SpeechFeatures(nn.Module):
    """float32 `[N, samples]` at 16 kHz to log-mel `[N, mels, frames]`."""

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.power = FourierPower()
        self.filters: Tensor
        filters = librosa.filters.mel(sr=RATE_HZ, n_fft=self.power.size, n_mels=mels)
        self.register_buffer("filters", torch.tensor(np.asarray(filters), dtype=torch.float32), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Natural logarithms; a frame of 25 ms every 10 ms."""
        half = self.power.size // 2
        power = self.power(F.pad(audio, (half, half)))[..., : audio.shape[-1] // HOP]
        return torch.log(torch.matmul(self.filters, power) + _FLOOR) / _SCALE


class HalvingConv(nn.Module):
    """Convolution over three frames that halves their number, norm, activation: `[N, in, T]` to `[N, out, T']`."""

    def __init__(self, inputs: int, outputs: int, section: Ctc) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(outputs)
        self.activation = activation(section.activation)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` `[N, 1, T']` is 1 where there is sound."""
        y: Tensor = self.activation(self.norm(self.conv(x).transpose(1, 2))).transpose(1, 2)
        return y if mask is None else y * mask


class AttentionLayer(nn.Module):
    """Self-attention and two linear layers, each behind a norm and added to what came in: `[N, T, width]`."""

    def __init__(self, section: Ctc) -> None:
        super().__init__()
        width = section.width
        self.heads = section.heads
        self.norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.packed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), activation(section.activation), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(section.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` `[N, 1, 1, T]` is true where there is sound."""
        parts = self.packed(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))  # type: ignore[no-any-return]


class AttentionContext(nn.Module):
    """Attention layers; where a frame stands is felt through a wide convolution, so any length will do."""

    def __init__(self, inputs: int, section: Ctc) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, section.width)
        self.place = nn.Conv1d(
            section.width, section.width, _POSITION_KERNEL, padding=_POSITION_KERNEL // 2, groups=section.width
        )
        self.layers = nn.ModuleList(AttentionLayer(section) for _ in range(section.layers))
        self.norm = nn.LayerNorm(section.width)
        self.outputs = section.width

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """`[N, T, inputs]` to `[N, T, outputs]`."""
        mask = None if lengths is None else frame_mask(lengths, x.shape[1])
        x = self.enter(x)
        if mask is not None:
            x = x * mask[..., None]
        x = x + F.gelu(self.place(x.transpose(1, 2))).transpose(1, 2)
        for layer in self.layers:
            x = layer(x, None if mask is None else mask[:, None, None, :])
        normed: Tensor = self.norm(x)
        return normed


class RecurrentContext(nn.Module):
    """Gated recurrent units in both directions (Cho et al. 2014)."""

    def __init__(self, inputs: int, section: Ctc) -> None:
        super().__init__()
        self.gru = nn.GRU(
            inputs,
            section.width,
            section.layers,
            batch_first=True,
            bidirectional=True,
            dropout=section.dropout if section.layers > 1 else 0.0,
        )
        self.outputs = 2 * section.width

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """`[N, T, inputs]` to `[N, T, outputs]`."""
        if lengths is None:
            alone: Tensor = self.gru(x)[0]
            return alone
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])
        return states


class CtcNetwork(nn.Module):
    """Log-mel features to logits of each token in each frame that is left."""

    def __init__(self, section: Ctc, tokens: int) -> None:
        super().__init__()
        self.features = SpeechFeatures(section.mels)
        widths = (section.mels, *section.channels)
        self.convs = nn.ModuleList(HalvingConv(a, b, section) for a, b in pairwise(widths))
        context = AttentionContext if section.context == "attention" else RecurrentContext
        self.context = context(widths[-1], section)
        self.dropout = nn.Dropout(section.dropout)
        self.classifier = nn.Linear(self.context.outputs, tokens)

    @property
    def stride_s(self) -> float:
        """Seconds from one frame of the output to the next."""
        return float(HOP * 2 ** len(self.convs) / RATE_HZ)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Logits `[N, frames', tokens]` and lengths `[N]`, of features `[N, mels, frames]` and theirs.

        Without lengths all frames are sound.
        """
        x = levelled(features, lengths)
        for conv in self.convs:
            if lengths is not None:
                lengths = (lengths + 1) // 2
            frames = (x.shape[-1] + 1) // 2
            x = conv(x, None if lengths is None else frame_mask(lengths, frames)[:, None].to(x.dtype))
        states = self.context(x.transpose(1, 2), lengths)
        return self.classifier(self.dropout(states)), lengths


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """True for the frames of each recording, `[N, frames]`."""
    return torch.arange(frames, device=lengths.device)[None] < lengths[:, None]


def levelled(features: Tensor, lengths: Tensor | None) -> Tensor:
    """Each recording by its own loudest place: that is 2.5, and 0 is where nothing is heard, or padding.

    So neither loudness counts nor how much silence is around the words, as it would if a mean were taken off.
    """
    if lengths is not None:
        heard = frame_mask(lengths, features.shape[-1])[:, None]
        features = torch.where(heard, features, math.log(_FLOOR) / _SCALE)
    loudest = features.amax((1, 2), keepdim=True).clamp(min=_FAINT)
    return (features - loudest + _RANGE).clamp(min=0)
