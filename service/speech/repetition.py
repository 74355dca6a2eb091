"""Text that goes round in circles: the stretch of it that is one unit, again and again.

Recognisers that write token by token fall into loops. People repeat themselves too, so what a repetition means is not
judged here: only where it is, how long its unit is and how often it stands there. What repeats are any items that
have numbers, tokens or characters; sound is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LONGEST_UNIT = 120
_LEAST_COUNT = 3
_ROUND = re.compile(r"(?<=[1-9])0+")


class Run(NamedTuple):
    """A unit of `period` items that stands so many `times`, one behind the other, from `start` on."""

    start: int
    period: int
    times: int

    @property
    def length(self) -> int:
        """Items that it takes, without what is left of a unit behind it."""
        return self.period * self.times


def spoken(text: str) -> str:
    """Letters and digits of a text, lower case; marks, spaces and the zeros of round numbers repeat nothing."""
    return _ROUND.sub("", "".join(char for char in text.lower() if char.isalnum()))


def longest_run(items: Sequence[int]) -> Run | None:
    """The longest run anywhere, None where nothing stands three times; of equally long ones the shorter unit's."""
    array = np.asarray(items)
    best: Run | None = None
    for period in _periods(items):
        matches = np.concatenate([[False], array[period:] == array[:-period], [False]])
        edges = np.flatnonzero(matches[1:] != matches[:-1])
        if len(edges):
            lengths = edges[1::2] - edges[::2]
            longest = int(lengths.argmax())
            best = _longer(best, Run(int(edges[2 * longest]), period, int(lengths[longest]) // period + 1))
    return best


def _periods(items: Sequence[int]) -> range:
    return range(1, min(LONGEST_UNIT, len(items) // _LEAST_COUNT) + 1)


def _longer(best: Run | None, run: Run) -> Run | None:
    if run.times < _LEAST_COUNT or (best is not None and run.length <= best.length):
        return best
    return run
