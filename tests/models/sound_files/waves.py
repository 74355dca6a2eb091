"""WAV files of every kind for tests, written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.sound_files.resample import SPEECH_RATE_HZ

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("00001000800000aa00389b71")


def murmur(seconds: float = 1.5, seed: int = 0) -> NDArray[np.float64]:
    """Deep noise that swells and fades, `[n]` at 16 kHz within ±0.5: no offset, and unlike any other seed's."""
    count = round(seconds * SPEECH_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies_hz = np.fft.rfftfreq(count, 1 / SPEECH_RATE_HZ)
    spectrum *= (frequencies_hz > 80) * (frequencies_hz < 4_000) / (1 + frequencies_hz / 400)
    sound = np.fft.irfft(spectrum, count) * (1.2 + np.sin(2 * np.pi * 3 * np.arange(count) / SPEECH_RATE_HZ))
    return np.asarray(0.5 * sound / np.abs(sound).max())


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    """One chunk with its padding."""
    return name + struct.pack(order + "I", len(body)) + body + bytes(len(body) % 2)


def plain(tag: int, channels: int, bits: int, order: str = "<", rate_hz: int = SPEECH_RATE_HZ) -> bytes:
    """The chunk `fmt ` of sixteen bytes."""
    block = channels * bits // 8
    return struct.pack(order + "HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits)


def extensible(tag: int, channels: int, bits: int, valid: int, mask: int, order: str = "<") -> bytes:  # noqa: PLR0917
    """The chunk `fmt ` with valid bits and places in the room."""
    return plain(EXTENSIBLE, channels, bits, order) + struct.pack(order + "HHII", 22, valid, mask, tag) + _GUID


def samples(sound: NDArray[np.float64], bits: int, order: str = "<", valid: int = 0) -> bytes:
    """Whole numbers of so many bits, `[n]` or `[n, channels]` within −1…1, of which the highest `valid` count."""
    if bits == 8:
        return np.rint(sound * 127 + 128).astype("u1").tobytes()
    step = 2.0 ** (bits - (valid or bits))
    words = (np.rint(sound * (2.0 ** (bits - 1) - step) / step) * step).astype(np.int64)
    wide = words.reshape(-1, 1).astype(order + "i8").view("u1")
    kept = wide[:, : bits // 8] if order == "<" else wide[:, -bits // 8 :]
    return kept.tobytes()


def riff(
    form: bytes,
    data: bytes,
    *,
    order: str = "<",
    before: Sequence[bytes] = (),
    behind: bytes = b"",
    size: int | None = None,
) -> bytes:
    """A file; `before` stands between format and sound, `size` is what the sound's chunk claims."""
    length = struct.pack(order + "I", len(data) if size is None else size)
    body = b"WAVE" + chunk(b"fmt ", form, order) + b"".join(before) + b"data" + length + data + behind
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", len(body)) + body


def wav16(sound: NDArray[np.float64], behind: bytes = b"") -> bytes:
    """16 bit, `[n]` or `[n, channels]`."""
    channels = 1 if sound.ndim == 1 else sound.shape[1]
    return riff(plain(PCM, channels, 16), samples(sound, 16), behind=behind)
