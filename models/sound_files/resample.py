"""One channel at any rate to 16 kHz, in blocks, through soxr.

Frames arrive in pieces of some milliseconds; they are gathered to blocks of about a second, because each call costs
more than its arithmetic. The rate may change between frames. It does not know files.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

SPEECH_RATE_HZ = 16_000
Samples = NDArray[np.float32]
_EMPTY: Samples = np.zeros(0, np.float32)


class SpeechResampler:
    """Gathers pieces and gives blocks of float32 at 16 kHz; not for several threads."""

    def __init__(self) -> None:
        self._rate_hz = SPEECH_RATE_HZ
        self._pieces: list[Samples] = []
        self._gathered = 0
        self._stream: soxr.ResampleStream | None = None

    def push(self, samples: Samples, rate_hz: int) -> Iterator[Samples]:
        """Take the next samples, float32 `[n]` at `rate_hz`; blocks that are complete come out."""
        if rate_hz != self._rate_hz:
            yield from self.flush()
            self._open(rate_hz)
        self._pieces.append(samples)
        self._gathered += len(samples)
        if self._gathered >= self._rate_hz:
            yield from _unless_empty(self._convert(is_last=False))

    def flush(self) -> Iterator[Samples]:
        """What is still inside, the filter's tail included; afterwards a new stretch may begin."""
        block = self._convert(is_last=True)
        self._open(self._rate_hz)
        yield from _unless_empty(block)

    def _open(self, rate_hz: int) -> None:
        is_same = rate_hz == SPEECH_RATE_HZ
        self._rate_hz = rate_hz
        self._stream = None if is_same else soxr.ResampleStream(rate_hz, SPEECH_RATE_HZ, 1, dtype="float32")

    def _convert(self, is_last: bool) -> Samples:
        gathered = np.concatenate(self._pieces) if self._pieces else _EMPTY
        self._pieces, self._gathered = [], 0
        if self._stream is None:
            return gathered
        block = np.asarray(self._stream.resample_chunk(gathered, last=is_last), dtype=np.float32)
        return np.clip(block, -1.0, 1.0, out=block)  # the filter swings beyond full scale at steep edges


def _unless_empty(block: Samples) -> Iterator[Samples]:
    if len(block):
        yield block
