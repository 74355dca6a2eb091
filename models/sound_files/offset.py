"""A constant, or slowly drifting, offset of each channel is taken away; a channel without one stays as it is.

An offset hides speech from a detector and pushes loud sound out of range. It is told from deep sounds by standing on
one side of zero for many cells. It does not know rates or files.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.sound_files.scale import Samples

_LEAST = 0.002  # of full scale: less harms nothing, and good recordings have it
_STEADINESS = 3.0  # an offset is so many times larger than its steps from cell to cell
_CELLS, _MIN_CELLS = 10, 3


class Offset:
    """Follows the channels of one recording; not for several threads."""

    def __init__(self, channels: int) -> None:
        self._is_there = np.zeros(channels, bool)
        self._means = np.zeros((channels, 0), np.float32)  # of the last cells
        self._end: Samples | None = None  # the course behind the last cell
        self._longest = 0

    def take_away(self, cells: Samples) -> bool:
        """From `[channels, cells, samples]`, in place, if there is one; the cells follow each other."""
        means = self._levels(cells)
        self._means = np.concatenate([self._means, means], axis=1)[:, -_CELLS:]
        if not self._is_there.any() and np.abs(self._means).max() <= _LEAST:
            return False
        self._is_there |= _is_steady(self._means)
        if not self._is_there.any():
            return False
        edges = self._edges(means)
        self._end = edges[:, -1:]
        ramp = np.arange(cells.shape[2], dtype=np.float32) / np.float32(cells.shape[2])
        course = edges[:, :-1, None] + np.diff(edges, axis=1)[:, :, None] * ramp
        cells -= np.where(self._is_there[:, None, None], course, np.float32(0))
        return True

    def _levels(self, cells: Samples) -> Samples:
        """Mean of each cell, `[channels, cells]`, without what a part of a deep tone's period leaves of it."""
        length = cells.shape[2]
        self._longest = max(self._longest, length)
        if self._means.size and 2 * length < self._longest:  # the end of the recording is too short to say
            return np.repeat(self._means[:, -1:], cells.shape[1], axis=1)
        means: Samples = cells @ _bell(length)
        return means

    def _edges(self, means: Samples) -> Samples:
        """The course where cells begin and end, `[channels, cells + 1]`; straight lines lie between."""
        slope = np.zeros_like(means[:, :1])
        if self._means.shape[1] > 1:
            slope = self._means[:, -1:] - self._means[:, -2:-1]
        first = means[:, :1] if self._end is None else self._end
        return np.concatenate([first, (means[:, 1:] + means[:, :-1]) / 2, means[:, -1:] + slope / 2], axis=1)


def _is_steady(means: Samples) -> NDArray[np.bool_]:
    if means.shape[1] < _MIN_CELLS:
        return np.zeros(len(means), bool)
    size = np.abs(means.mean(axis=1))
    steps = np.sqrt(np.square(np.diff(means, axis=1)).mean(axis=1))
    steady: NDArray[np.bool_] = (size > _LEAST) & (size > _STEADINESS * steps)
    return steady


@lru_cache(maxsize=16)
def _bell(length: int) -> Samples:
    """Hann's window, with a sum of one."""
    window = np.hanning(length + 2)[1:-1]
    return np.asarray(window / window.sum(), np.float32)
