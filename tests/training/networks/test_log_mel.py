"""The log-mel layer is Whisper's definition and librosa's, to the last digits that single precision has."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.export.silero import spoken_like
from training.networks.log_mel import RATE_HZ, FourierPower, LogMel

TOLERANCE = 1e-3  # of log10 / 4: single precision in the quietest bands


def by_librosa(audio: NDArray[np.float32], mels: int) -> NDArray[np.float32]:
    """Whisper's features from librosa's parts, in double precision."""
    padded = np.zeros(30 * RATE_HZ)
    padded[: len(audio)] = audio
    mel = librosa.feature.melspectrogram(
        y=padded, sr=RATE_HZ, n_fft=400, hop_length=160, n_mels=mels, window="hann", center=True, pad_mode="reflect"
    )[:, :-1]
    decades = np.log10(np.maximum(mel, 1e-10))
    return np.asarray((np.maximum(decades, decades.max() - 8) + 4) / 4, np.float32)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.3, 4.0, 30.0])
def test_the_layer_gives_what_librosa_gives(mels: int, seconds: float) -> None:
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)).astype(np.float32) * 0.01
    audio = spoken_like(seconds)[: len(noise)] + noise
    got = LogMel(mels)(torch.from_numpy(audio)[None]).numpy()
    assert got.shape == (1, mels, 3000)
    assert np.abs(got[0] - by_librosa(audio, mels)).max() < TOLERANCE


def test_nothing_is_more_than_eight_decades_below_the_loudest() -> None:
    got = LogMel(80)(torch.from_numpy(spoken_like(2.0))[None])
    assert float(got.max() - got.min()) == pytest.approx(2.0, abs=1e-5)


def test_silence_is_finite() -> None:
    assert torch.isfinite(LogMel(80)(torch.zeros(1, RATE_HZ))).all()


def test_the_power_spectrum_is_a_windowed_fourier_transform() -> None:
    audio = np.random.default_rng(1).standard_normal(1000)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = [audio[start : start + 400] for start in range(0, 601, 160)]
    expected = np.abs(np.fft.rfft(np.array(frames) * window)).T ** 2
    got = FourierPower()(torch.from_numpy(audio.astype(np.float32))[None])[0].numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-2)
