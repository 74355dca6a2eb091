"""Recordings for tests that need no data: a self-made babble that the voice detector takes for speech."""

from __future__ import annotations

import io
import wave

import numpy as np

from training.export.silero import RATE_HZ, spoken_like

_PIECE_S = 10.0


def babble(seconds: float) -> bytes:
    """A WAV file of syllables that mean nothing, 16 bit at 16 kHz."""
    piece = spoken_like(min(seconds, _PIECE_S))
    samples = np.resize(piece, round(seconds * RATE_HZ))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
