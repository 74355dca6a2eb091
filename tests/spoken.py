"""A language of three vowels, for tests that train a recogniser: self-made, and speech to the voice detector."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
VOWELS_HZ = {"ah": (700, 1220, 2600), "ee": (300, 2300, 3000), "oo": (320, 800, 2240)}
"""Words, and the formants that each is made of."""
_WORD_S, _GAP_S, _EDGE_S = 0.32, 0.18, 0.15
Sound = NDArray[np.float32]


def word(name: str, pitch_hz: float = 120.0) -> Sound:
    """One word."""
    times = np.arange(int(_WORD_S * RATE_HZ)) / RATE_HZ
    harmonics = range(1, int(3500 / pitch_hz))
    places = zip(VOWELS_HZ[name], (130, 170, 250), (1.0, 0.5, 0.25), strict=True)
    formants = list(places)
    weights = [sum(w * np.exp(-(((k * pitch_hz - f) / b) ** 2)) for f, b, w in formants) for k in harmonics]
    voice = sum(w * np.sin(2 * np.pi * k * pitch_hz * times) for k, w in zip(harmonics, weights, strict=True))
    return np.asarray(0.2 * voice * np.sin(np.pi * times / _WORD_S), np.float32)


def spoken(text: str, pitch_hz: float = 120.0, seed: int = 0) -> Sound:
    """Words one behind the other, silence between and around them, faint noise over all."""
    parts = [np.zeros(int(_EDGE_S * RATE_HZ), np.float32)]
    for name in text.split():
        parts += [word(name, pitch_hz), np.zeros(int(_GAP_S * RATE_HZ), np.float32)]
    sound = np.concatenate(parts)
    return sound + np.random.default_rng(seed).standard_normal(len(sound)).astype(np.float32) * np.float32(0.002)


def write_wav(path: Path, sound: NDArray[np.floating], rate_hz: int = RATE_HZ) -> Path:
    """16 bit mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def texts(count: int, seed: int = 1) -> list[str]:
    """Sentences of one to three words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(list(VOWELS_HZ), int(rng.integers(1, 4)))) for _ in range(count)]


def write_corpus(folder: Path, train: int = 64, test: int = 16) -> Path:
    """Recordings of three speakers (by their pitch) with a table `said.tsv` that divides them."""
    rows = ["path\ttext\tspeaker\tpart"]
    for number, text in enumerate(texts(train + test)):
        speaker, part = number % 3, "train" if number < train else "test"
        write_wav(folder / "sound" / f"{number}.wav", spoken(text, 105.0 + 20 * speaker, number))
        rows.append(f"sound/{number}.wav\t{text}\tspeaker {speaker}\t{part}")
    (folder / "said.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
