"""Error rates of transcripts: edits against the reference, summed over clips, with intervals by the bootstrap.

Words make it a word error rate (WER), characters a character error rate (CER). Clips are resampled, not words, since
errors within a clip hang together; two recognisers are compared on the same resamples (Bisani and Ney, 2004). It does
not know normalisers or audio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 10_000
_LEVEL = 0.95
_SEED = 20_040_517


@dataclass(frozen=True)
class Edits:
    """Fewest edits that make the reference into what was heard, by kind, and the reference's length in tokens."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per token of the reference, 0 and up; on an empty reference the number of insertions."""
        return self.errors / max(1, self.reference)

    def __add__(self, other: Edits) -> Edits:
        """Counts of both together; the rate of a sum weighs each clip by its length."""
        return Edits(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference + other.reference,
        )


class Interval(NamedTuple):
    """A confidence interval, in the unit of what was resampled."""

    low: float
    high: float


def count_edits(reference: Sequence[str], heard: Sequence[str]) -> Edits:
    """Levenshtein's alignment of two sequences of tokens, with its edits counted by kind."""
    row = [(column, 0, 0, column) for column in range(len(heard) + 1)]
    for index, token in enumerate(reference, start=1):
        above, row = row, [(index, 0, index, 0)]
        for column, other in enumerate(heard, start=1):
            row.append(_cheapest(above[column - 1], above[column], row[-1], token == other))
    _, substitutions, deletions, insertions = row[-1]
    return Edits(substitutions, deletions, insertions, len(reference))


_Cell = tuple[int, int, int, int]  # errors, substitutions, deletions, insertions


def _cheapest(diagonal: _Cell, above: _Cell, left: _Cell, is_same: bool) -> _Cell:
    if is_same:
        return diagonal
    errors, substitutions, deletions, insertions = diagonal
    best = (errors + 1, substitutions + 1, deletions, insertions)
    if above[0] + 1 < best[0]:
        best = (above[0] + 1, above[1], above[2] + 1, above[3])
    if left[0] + 1 < best[0]:
        best = (left[0] + 1, left[1], left[2], left[3] + 1)
    return best


def total(clips: Sequence[Edits]) -> Edits:
    """All clips together."""
    return sum(clips, Edits())


def rate_interval(clips: Sequence[Edits], resamples: int = _RESAMPLES, seed: int = _SEED) -> Interval:
    """95 % interval of the clips' total rate."""
    return _percentiles(_resampled_rates(clips, _draws(len(clips), resamples, seed)))


def difference_interval(
    ours: Sequence[Edits], theirs: Sequence[Edits], resamples: int = _RESAMPLES, seed: int = _SEED
) -> Interval:
    """95 % interval of our total rate minus theirs, the clips paired; below zero means that ours is better.

    Raises:
        ValueError: the two did not hear the same clips.
    """
    if [clip.reference for clip in ours] != [clip.reference for clip in theirs]:
        raise ValueError("a paired comparison needs the same clips on both sides")
    draws = _draws(len(ours), resamples, seed)
    return _percentiles(_resampled_rates(ours, draws) - _resampled_rates(theirs, draws))


def loss_interval(
    before: Sequence[Edits], after: Sequence[Edits], resamples: int = _RESAMPLES, seed: int = _SEED
) -> Interval:
    """What the second adds to the total rate of the first; each end is missed in one case of twenty.

    By the paired bootstrap over clips. Where no clip differs that has no width, so the upper end is at least what
    that many clips cannot show: each clip changed with the largest probability that still leaves one chance in twenty
    of seeing none changed, by one token.

    Raises:
        ValueError: the two did not hear the same clips.
    """
    if [clip.reference for clip in before] != [clip.reference for clip in after]:
        raise ValueError("a paired comparison needs the same clips on both sides")
    draws = _draws(len(before), resamples, seed)
    found = _resampled_rates(after, draws) - _resampled_rates(before, draws)
    low, high = np.quantile(found, [1 - _LEVEL, _LEVEL])
    unseen = (1 - (1 - _LEVEL) ** (1 / len(before))) * len(before) / max(1, total(before).reference)
    return Interval(float(low), max(float(high), unseen))


def _draws(clips: int, resamples: int, seed: int) -> NDArray[np.int64]:
    if not clips:
        raise ValueError("there are no clips to resample")
    return np.random.default_rng(seed).integers(0, clips, size=(resamples, clips))


def _resampled_rates(clips: Sequence[Edits], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    errors = np.array([clip.errors for clip in clips])[draws].sum(axis=1)
    references = np.array([clip.reference for clip in clips])[draws].sum(axis=1)
    return np.asarray(errors / np.maximum(1, references), np.float64)


def _percentiles(values: NDArray[np.float64]) -> Interval:
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
