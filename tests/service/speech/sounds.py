"""Sounds without words for tests, made on the spot: 12 s each, float32 at 16 kHz."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.sound_files.resample import SPEECH_RATE_HZ, Samples

_COUNT = 12 * SPEECH_RATE_HZ
_TIMES = np.arange(_COUNT) / SPEECH_RATE_HZ
_CHORDS_HZ = [(261.6, 329.6, 392.0), (220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7)]


def _at(peak: float, sound: NDArray[np.float64]) -> Samples:
    return np.asarray(sound / np.abs(sound).max() * peak, np.float32)


def _noise() -> NDArray[np.float64]:
    return np.random.default_rng(5).standard_normal(_COUNT)


def _coloured(exponent: float) -> NDArray[np.float64]:
    """Noise whose power falls with frequency to the power of twice the exponent."""
    spectrum = np.fft.rfft(_noise())
    spectrum[1:] /= np.arange(1, len(spectrum)) ** exponent
    spectrum[:12] = 0  # below 1 Hz there is only drift
    return np.fft.irfft(spectrum, _COUNT)


def _harmonics(frequency_hz: float) -> NDArray[np.float64]:
    parts = [np.sin(2 * np.pi * frequency_hz * order * _TIMES) / order for order in range(1, 12)]
    return np.asarray(sum(parts))


def _chords() -> NDArray[np.float64]:
    times = _TIMES[: _COUNT // len(_CHORDS_HZ)]
    struck = [np.exp(-times) * sum(np.sin(2 * np.pi * f * times) for f in chord) for chord in _CHORDS_HZ]
    return np.concatenate(struck)


def _clicks() -> NDArray[np.float64]:
    clicks = np.zeros(_COUNT)
    clicks[:: SPEECH_RATE_HZ // 2] = 1.0
    return clicks


def _hummed(pitch_hz: float, vibrato: float) -> Samples:
    """A closed mouth: harmonics under one low formant, 3 s, that set in within 50 ms."""
    times = _TIMES[: 3 * SPEECH_RATE_HZ]
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + vibrato * np.sin(2 * np.pi * 5.5 * times))) / SPEECH_RATE_HZ
    orders = range(1, int(2000 / pitch_hz))
    weights = [np.exp(-(((order * pitch_hz - 250) / 100) ** 2)) + 0.03 / order for order in orders]
    voice = sum(weight * np.sin(order * phase) for order, weight in zip(orders, weights, strict=True))
    return _at(0.3, np.asarray(voice * np.minimum(1, np.minimum(times, 3 - times) / 0.05)))


HUMMED: dict[str, Callable[[], Samples]] = {
    f"{pitch_hz} Hz, {vibrato:.0%} vibrato": partial(_hummed, pitch_hz, vibrato)
    for pitch_hz in (110, 121, 150, 210)
    for vibrato in (0.0, 0.03)
}
"""Tones that pass for a voice with the detector, for a moment."""

WORDLESS: dict[str, Callable[[], Samples]] = {
    "silence": lambda: np.zeros(_COUNT, np.float32),
    "dither": lambda: _at(1 / 32_768, _noise()),
    "hiss": lambda: _at(0.05, _noise()),
    "white noise": lambda: _at(0.5, _noise()),
    "pink noise": lambda: _at(0.3, _coloured(0.5)),
    "brown noise": lambda: _at(0.5, _coloured(1.0)),
    "tone": lambda: _at(0.3, np.sin(2 * np.pi * 440 * _TIMES)),
    "sweep": lambda: _at(0.3, np.sin(2 * np.pi * (100 + 300 * _TIMES) * _TIMES)),
    "hum 50 Hz": lambda: _at(0.3, _harmonics(50.0)),
    "hum 60 Hz": lambda: _at(0.3, _harmonics(60.0)),
    "buzz": lambda: _at(0.3, _harmonics(200.0)),
    "chords": lambda: _at(0.5, _chords()),
    "clicks": lambda: _at(0.8, _clicks()),
}
