"""Samples of any type as numbers of which full scale is 1.

Files of floats hold anything: values that are no numbers, spikes, and sound in the scale of whole numbers, where
full scale is 2¹⁵, 2²³ or 2³¹. Such a scale is told by its level, once enough was heard. It does not know channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.sound_files.frames import Raw

Samples = NDArray[np.float32]
# No recording in the scale of floats swings so far. A spike may: one sample in a hundred must.
_LOUDEST = 8.0
_SHARE = 0.99
_WHOLE_SCALES = (2.0**15, 2.0**23, 2.0**31)
# What is heard before a scale is believed: silence and whispers look alike in all of them.
_HELD_VALUES = 1 << 21
_MAX_LEVEL = 1e6  # beyond are no samples


class Scale:
    """Gives blocks as float32; those of files of floats are held until their scale is known."""

    def __init__(self, *, is_free: bool) -> None:
        """`is_free` where floats come as they stand in the file, and not out of a codec that knows its scale."""
        self._is_open = is_free
        self._is_free = is_free
        self._full = 1.0
        self._held: list[Raw] = []
        self._held_values = 0

    def push(self, block: Raw) -> Iterator[Samples]:
        """Take a block `[channels, samples]`; blocks whose scale is known come out."""
        if block.dtype.kind != "f":
            yield _from_whole_numbers(block)
            return
        if self._is_free:
            self._full = max(self._full, full_scale(block))
        self._held.append(block)
        self._held_values += block.size
        if not self._is_open or self._held_values >= _HELD_VALUES:
            yield from self.flush()

    def flush(self) -> Iterator[Samples]:
        """What is held."""
        held, self._held, self._is_open = self._held, [], False
        for block in held:
            yield _from_floats(block, self._full)


def full_scale(block: Raw) -> float:
    """Full scale of floats `[channels, samples]`, by how far they swing about their middle; 1 if plain."""
    if _is_within(block, _LOUDEST):
        return 1.0
    numbers = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    level = float(np.quantile(np.abs(numbers - np.median(numbers, axis=1, keepdims=True)), _SHARE))
    if level <= _LOUDEST:
        return 1.0
    return next((full for full in _WHOLE_SCALES if level <= 2 * full), 1.0)


def _from_whole_numbers(block: Raw) -> Samples:
    floats = block.astype(np.float32)
    half = 2.0 ** (block.dtype.itemsize * 8 - 1)
    if block.dtype.kind == "u":
        floats -= np.float32(half)
    floats *= np.float32(1 / half)
    return np.ascontiguousarray(floats)


def _from_floats(block: Raw, full: float) -> Samples:
    if not _is_within(block, _MAX_LEVEL):  # in their own type, since a double may be beyond what a float can hold
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        block = np.clip(block, -_MAX_LEVEL * full, _MAX_LEVEL * full)
    floats = block.astype(np.float32, order="C")
    if full != 1.0:
        floats /= np.float32(full)
    return floats


def _is_within(block: Raw, level: float) -> bool:
    """Whether all are numbers of at most this level."""
    return not block.size or bool(block.max() <= level and block.min() >= -level)
