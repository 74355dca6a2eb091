"""The weighed sum of a recording's channels, or one of them where they cancel each other.

Sounds that have nothing to do with each other add their powers; where the sum has far less, channels carry the same
sound with opposite signs. That is judged by cells of a tenth of a second: a few in a row must agree before anything
changes, from the first of them on, so that nothing is lost and a chance of phases changes nothing. It does not know
places in a room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.sound_files.scale import Samples

_OPPOSED = 0.25  # of the power that the channels would have together: two of them correlate below −0.75
_AGREEING_CELLS, _MAX_WAITING_CELLS = 3, 10
_QUIET = 1e-3  # of the power of the loudest cell so far: too little to say anything
_SILENT = 1e-9
_LOUDER = 16.0  # by so much power another channel must exceed the one that is taken
_FADE_SHARE = 0.1  # of a cell


@dataclass(frozen=True)
class _Cell:
    channels: Samples
    summed: Samples
    powers: Samples


class Sum:
    """The sum of one recording; not for several threads."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        """`weights` of the channels, which sum to one."""
        self._weights = np.asarray(weights, np.float32)
        self._squares = np.square(self._weights)[:, None]
        self._is_opposed: bool | None = None
        """What was found of the cells that were given out; None until a loud one came."""
        self._taken: int | None = None  # what the last cell was given of: None is the sum
        self._channel: int | None = None  # the one that was taken last, though the sum may have come in between
        self._is_begun = False
        self._loudest = np.float32(0)
        self._waiting: list[_Cell] = []
        self._votes = 0

    def push(self, cells: Samples) -> Iterator[Samples]:
        """Take `[channels, cells, samples]`; samples `[n]` come out, at most a second later."""
        channels, count, samples = cells.shape
        summed = (self._weights @ cells.reshape(channels, -1)).reshape(count, samples)
        powers = self._squares * np.vecdot(cells, cells)
        together = powers.sum(axis=0)
        is_opposed = np.vecdot(summed, summed) < _OPPOSED * together
        loudest = np.maximum.accumulate(np.maximum(together / samples, self._loudest))
        self._loudest = loudest[-1]
        if not self._waiting and not self._is_opposed and not is_opposed.any():
            self._is_opposed = False if self._loudest > _SILENT else self._is_opposed
            self._is_begun = True
            yield summed.reshape(-1)
            return
        is_loud = together > samples * np.maximum(_SILENT, _QUIET * loudest)
        for at in range(count):
            self._waiting.append(_Cell(cells[:, at], summed[at], powers[:, at]))
            yield from self._judged(bool(is_opposed[at]) if is_loud[at] else None)

    def flush(self) -> Iterator[Samples]:
        """What still waits."""
        if self._is_opposed is None and self._votes:
            self._is_opposed = True
        yield from self._released()

    def _judged(self, is_opposed: bool | None) -> Iterator[Samples]:
        if is_opposed is not None:
            self._votes = self._votes + 1 if is_opposed != bool(self._is_opposed) else 0
            if self._is_opposed is None and not is_opposed:
                self._is_opposed = False
        if self._votes >= _AGREEING_CELLS:
            self._is_opposed = not self._is_opposed
            yield from self._released()
        elif not self._votes:
            yield from self._released()
        elif len(self._waiting) >= _MAX_WAITING_CELLS:
            yield from self.flush()

    def _released(self) -> Iterator[Samples]:
        waiting, self._waiting, self._votes = self._waiting, [], 0
        for cell in waiting:
            yield self._mixed(cell)

    def _mixed(self, cell: _Cell) -> Samples:
        before, self._taken = self._taken, self._choice(cell)
        chosen = self._of(cell, self._taken)
        if before != self._taken and self._is_begun:
            length = max(1, round(len(chosen) * _FADE_SHARE))
            ramp = np.arange(length, dtype=np.float32) / np.float32(length)
            chosen = chosen.copy()
            chosen[:length] += (self._of(cell, before)[:length] - chosen[:length]) * (1 - ramp)
        self._is_begun = True
        return chosen

    def _choice(self, cell: _Cell) -> int | None:
        """The channel that is taken of this cell: the one that was before, unless it is much fainter than another."""
        if not self._is_opposed:
            return None
        loudest = int(cell.powers.argmax())
        if self._channel is None or cell.powers[loudest] > _LOUDER * cell.powers[self._channel]:
            self._channel = loudest
        return self._channel

    @staticmethod
    def _of(cell: _Cell, channel: int | None) -> Samples:
        return cell.summed if channel is None else cell.channels[channel]
