"""Varying training recordings: speed, rooms, noise, several behind one another; masks on the spectrogram.

What an example becomes depends only on the generator that it is given. Sources: speed perturbation (Ko et al. 2015),
SpecAugment (Park et al. 2019); a room is noise that dies away, mixed in behind the direct sound.
"""

from __future__ import annotations

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from torch import Tensor

from models.sound_files.resample import SPEECH_RATE_HZ
from training.networks.ctc import HOP, frame_mask
from training.sections import Augment

Audio = NDArray[np.float32]
_LEAST_NOISE_DB = 40.0
_SHORTEST_ECHO_S, _LONGEST_ECHO_S = 0.08, 0.4
_LONGEST_EDGE_S, _LONGEST_PAUSE_S = 0.6, 0.5
_PAUSED = 0.6
_WORDLESS_S = (0.3, 3.0)
_QUIETEST, _LOUDEST = 0.05, 1.0
_MASKS = 2


def at_speed(audio: Audio, most: float, rng: np.random.Generator) -> Audio:
    """Faster or slower by up to a fraction; pitch goes along."""
    factor = float(rng.uniform(1 - most, 1 + most))
    return np.asarray(soxr.resample(audio, SPEECH_RATE_HZ * factor, SPEECH_RATE_HZ, quality="MQ"), np.float32)


def in_room(audio: Audio, rng: np.random.Generator) -> Audio:
    """With the echo of a made-up room."""
    length_s = float(rng.uniform(_SHORTEST_ECHO_S, _LONGEST_ECHO_S))
    times = np.arange(round(length_s * SPEECH_RATE_HZ)) / SPEECH_RATE_HZ
    echo = rng.standard_normal(len(times)) * np.exp(-6.9 * times / length_s) * float(rng.uniform(0.02, 0.12))
    echo[0] = 1.0
    return np.asarray(fftconvolve(audio, echo)[: len(audio)], np.float32)


def noise(count: int, rng: np.random.Generator) -> Audio:
    """A sound in which nobody speaks, with a root mean square of 1: float32 `[count]`."""
    sound = rng.choice(_SOUNDS, p=_SHARES)(max(2, count), rng)[:count]
    return np.asarray(sound / max(1e-6, float(np.sqrt(np.mean(np.square(sound))))), np.float32)


def _coloured(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** rng.uniform(0, 1.0)
    return np.fft.irfft(spectrum, count)


def _hum(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    times, pitch_hz = np.arange(count) / SPEECH_RATE_HZ, rng.uniform(40, 400)
    parts = [np.sin(2 * np.pi * pitch_hz * k * times + rng.uniform(0, 6.3)) / k for k in range(1, 9)]
    return np.asarray(np.sum(parts, axis=0))


def _chord(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One to four tones that are struck and die away, again and again."""
    times = np.arange(count) / SPEECH_RATE_HZ
    pitches_hz = rng.uniform(100, 2000, rng.integers(1, 5))
    tones = np.sum([np.sin(2 * np.pi * pitch * times) for pitch in pitches_hz], axis=0)
    return np.asarray(tones * np.exp(-(times % rng.uniform(0.3, 3.0)) * rng.uniform(0, 4)))


def _clicks(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    sound = rng.standard_normal(count) * 1e-3
    sound[:: max(1, int(rng.uniform(0.05, 0.8) * SPEECH_RATE_HZ))] = 1.0
    return sound


_SOUNDS = np.array([_coloured, _hum, _chord, _clicks], dtype=object)
_SHARES = (0.6, 0.15, 0.15, 0.1)


def noisy(audio: Audio, loudest_db: float, rng: np.random.Generator) -> Audio:
    """With noise so many dB below it, or less."""
    level = float(np.sqrt(np.mean(np.square(audio)))) or 1e-3
    below_db = rng.uniform(loudest_db, max(loudest_db, _LEAST_NOISE_DB))
    return np.asarray(audio + noise(len(audio), rng) * level * 10 ** (-below_db / 20), np.float32)


def pause(longest_s: float, rng: np.random.Generator) -> Audio:
    """Silence, or none: words often begin and end with the recording."""
    length_s = float(rng.uniform(0, longest_s)) if rng.random() < _PAUSED else 0.0
    return np.zeros(int(length_s * SPEECH_RATE_HZ), np.float32)


def joined(pieces: list[Audio], rng: np.random.Generator) -> Audio:
    """One behind the other, silence between and around them."""
    parts = [pause(_LONGEST_EDGE_S, rng)]
    for piece in pieces:
        parts += [piece, pause(_LONGEST_PAUSE_S, rng)]
    return np.concatenate(parts)


def wordless(rng: np.random.Generator) -> Audio:
    """A sound in which nobody speaks: silence, noise, hum."""
    count = int(rng.uniform(*_WORDLESS_S) * SPEECH_RATE_HZ)
    if rng.random() < 0.2:
        return np.zeros(count, np.float32)
    return noise(count, rng) * np.float32(10 ** rng.uniform(-4, -0.7))


def varied(audio: Audio, section: Augment, rng: np.random.Generator) -> Audio:
    """One recording in another room, with noise, at another loudness."""
    if section.room and rng.random() < section.room:
        audio = in_room(audio, rng)
    if section.noise_db is not None and rng.random() < 0.5:
        audio = noisy(audio, section.noise_db, rng)
    peak = float(np.abs(audio).max(initial=0.0))
    if section.noise_db is not None and peak > 0:
        audio = audio * np.float32(rng.uniform(_QUIETEST, _LOUDEST) / peak)
    return np.clip(audio, -1, 1)


def masked(features: Tensor, lengths: Tensor, section: Augment, rng: np.random.Generator) -> Tensor:
    """SpecAugment on `[N, mels, frames]`: stretches of time and bands of pitch become each band's own mean.

    A recording's mean is over its own frames (`lengths`), so padding does not change it.
    """
    if not (section.time_mask_s or section.mel_mask):
        return features
    kept = torch.ones_like(features)
    longest = round(section.time_mask_s * SPEECH_RATE_HZ / HOP)
    for row, frames in enumerate(lengths.tolist()):
        for _ in range(_MASKS):
            width = int(rng.integers(0, min(longest, frames // 4) + 1))
            begin = int(rng.integers(0, max(1, frames - width)))
            kept[row, :, begin : begin + width] = 0
            band = int(rng.integers(0, section.mel_mask + 1))
            low = int(rng.integers(0, max(1, features.shape[1] - band)))
            kept[row, low : low + band] = 0
    heard = frame_mask(lengths, features.shape[-1])[:, None].to(features.dtype)
    mean = (features * heard).sum(-1, keepdim=True) / lengths.clamp(min=1)[:, None, None]
    return features * kept + mean * (1 - kept)
