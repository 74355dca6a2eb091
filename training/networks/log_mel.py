"""The log-mel spectrogram that Whisper hears, as a network layer, so that it can lie inside an exported graph.

Definition (openai/whisper, `audio.py`): Hann window of 400 samples, hop 160, power spectrum, Slaney mel filters,
log10 of at least 1e-10, no value more than 8 below the loudest, then (x + 4) / 4. Filters come from librosa. The
short-time Fourier transform is a convolution with sines and cosines: every runtime has one, and it is fast.
"""

from __future__ import annotations

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

RATE_HZ = 16_000
WINDOW_S = 30
_FFT, _HOP = 400, 160  # samples
_FLOOR, _RANGE = 1e-10, 8.0  # power; decades below the loudest


class FourierPower(nn.Module):
    """float32 `[N, samples]` at 16 kHz to the power spectrum `[N, 201, frames]`: 25 ms every 10 ms, no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.size = _FFT
        angles = 2 * np.pi * np.outer(np.arange(_FFT // 2 + 1), np.arange(_FFT)) / _FFT
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)
        waves = np.concatenate([np.cos(angles), np.sin(angles)]) * window
        self.waves: Tensor
        self.register_buffer("waves", torch.tensor(waves[:, None], dtype=torch.float32), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Squared magnitudes of a Hann-windowed Fourier transform."""
        spectrum = F.conv1d(audio[:, None], self.waves, stride=_HOP)
        real, imaginary = spectrum.chunk(2, dim=1)
        return real * real + imaginary * imaginary


class LogMel(nn.Module):
    """float32 `[1, n]` at 16 kHz, n ≤ 480,000, to `[1, mels, 3000]`; silence is put behind shorter sound."""

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.samples = WINDOW_S * RATE_HZ
        self.power = FourierPower()
        self.filters: Tensor
        filters = librosa.filters.mel(sr=RATE_HZ, n_fft=_FFT, n_mels=mels)
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """The spectrogram of one window."""
        padded = F.pad(audio, (0, self.samples - audio.shape[-1]))
        padded = F.pad(padded[:, None], (_FFT // 2, _FFT // 2), mode="reflect")[:, 0]
        mel = torch.matmul(self.filters, self.power(padded)[..., :-1])  # [1, mels, 3000]
        decades = torch.log10(torch.clamp(mel, min=_FLOOR))
        return (torch.maximum(decades, decades.amax(dim=(0, 1, 2)) - _RANGE) + 4.0) / 4.0
