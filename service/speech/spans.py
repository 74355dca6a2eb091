"""From a curve of speech probabilities to spans of speech, frame by frame.

Two thresholds keep a span open through weak sounds; a pause must last before it ends one; what is too short is no
speech. A span that grows too long is cut where speech is least likely, and both halves are kept. It does not know
samples or models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9  # a cut should fall into a pause, not between two loud frames


class Span(NamedTuple):
    """A half-open range: of frames here, of samples in `service.speech.segment`."""

    start: int
    end: int


@dataclass(frozen=True)
class SpanRules:
    """What counts as speech; lengths in frames."""

    threshold: float
    release: float
    min_speech: int
    min_silence: int
    max_span: int


class SpanTracker:
    """Follows the curve of one recording and gives every span once it is certain."""

    def __init__(self, rules: SpanRules) -> None:
        self._rules = rules
        self._frames = 0
        self._start: int | None = None
        self._end = 0  # behind the last frame that held the span open
        self._is_rest = False  # the span began at a cut, so it counts however short it is
        self._curve: list[float] = []

    @property
    def frames(self) -> int:
        """Frames seen so far."""
        return self._frames

    @property
    def open_start(self) -> int | None:
        """Where the span that is still open begins; None in silence."""
        return self._start

    def push(self, probability: float) -> Iterator[Span]:
        """Take the next frame; a span that ends by it comes out."""
        index, self._frames = self._frames, self._frames + 1
        if self._start is None:
            if probability < self._rules.threshold:
                return
            self._open(index)
        self._curve.append(probability)
        if probability >= self._rules.release:
            self._end = index + 1
        if index + 1 - self._end >= self._rules.min_silence:
            yield from self._close()
        elif len(self._curve) >= self._rules.max_span:
            yield self._cut()

    def flush(self) -> Iterator[Span]:
        """The span that the recording's end ends."""
        if self._start is not None:
            yield from self._close()

    def _open(self, index: int) -> None:
        self._start, self._end, self._is_rest, self._curve = index, index, False, []

    def _close(self) -> Iterator[Span]:
        start, self._start = self._start or 0, None
        shortest = 1 if self._is_rest else self._rules.min_speech
        if self._end - start >= shortest:
            yield Span(start, self._end)

    def _cut(self) -> Span:
        """Cut within the second half, at the least likely place."""
        start = self._start or 0
        at = _quietest(self._curve)
        self._start, self._curve, self._is_rest = start + at, self._curve[at:], True
        self._end = max(self._end, start + at)
        return Span(start, start + at)


def _quietest(curve: list[float]) -> int:
    """Index in the second half of the curve around which it is lowest; the later one of equals."""
    smooth = np.convolve(curve, _SMOOTHING, mode="same")
    half = max(1, len(curve) // 2)
    # The convolution's last values see zeros behind the curve's end and would always be the lowest.
    candidates = smooth[half : max(half + 1, len(curve) - len(_SMOOTHING) // 2)]
    return half + len(candidates) - 1 - int(np.argmin(candidates[::-1]))
