"""Which token may come next: the rules that keep Whisper's text and times in order.

Source: openai/whisper, `decoding.py` (ApplyTimestampRules, SuppressBlank, SuppressTokens). Times come in pairs, never
go back, and begin near the window's start; a time is written as soon as times together are likelier than any text.
The rules see logits and ids; they do not know text, beams or temperatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.speech.listener import Logits
from service.speech.numerals import NumberTokens
from service.speech.tokenizer import TIMESTAMP_STEP_S, Specials

_NEVER = np.float32(-np.inf)
_LATEST_BEGIN_S = 1.0


def log_softmax(logits: Logits) -> Logits:
    """Natural log-probabilities along the last axis; at least one score of a row is finite."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Logits = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _log_sum_exp(scores: Logits) -> float:
    highest = scores.max()
    return float(highest + np.log(np.exp(scores - highest).sum())) if np.isfinite(highest) else -np.inf


@dataclass(frozen=True)
class Rules:
    """Rules of one window: what is never written, and whether times are."""

    specials: Specials
    suppressed: tuple[int, ...]
    """Never written: symbols that are not speech, and words of control."""
    suppressed_first: tuple[int, ...]
    """Not written as the first token: a blank, or the end."""
    has_timestamps: bool
    numbers: NumberTokens | None = None
    """Given where no digit and no percent sign may be written."""
    latest_begin_s: float = _LATEST_BEGIN_S
    _never: NDArray[np.int64] = field(init=False)
    _never_first: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Lay the ids out as arrays."""
        object.__setattr__(
            self, "_never", _indices((*self.suppressed, *(self.numbers.alone if self.numbers else ())))
        )
        object.__setattr__(self, "_never_first", _indices(self.suppressed_first))

    def apply(self, logits: Logits, written: Sequence[Sequence[int]]) -> Logits:
        """Forbid in `[rows, vocabulary]`, in place, what may not follow each row's tokens.

        Returns natural log-probabilities among what is allowed: each row's sum to 1, and the rest is −inf.
        """
        logits[:, self._never] = _NEVER
        for row, tokens in zip(logits, written, strict=True):
            if not tokens:
                row[self._never_first] = _NEVER
            if self.numbers:
                row[self.numbers.behind(tokens)] = _NEVER
            if self.has_timestamps:
                self._forbid_times(row, tokens)
            else:
                row[self.specials.first_timestamp :] = _NEVER
        scores = log_softmax(logits)
        if self.has_timestamps:
            self._prefer_times(scores)
        return scores

    def _forbid_times(self, row: Logits, tokens: Sequence[int]) -> None:
        first = self.specials.first_timestamp
        if not tokens:
            row[:first] = _NEVER
            row[first + round(self.latest_begin_s / TIMESTAMP_STEP_S) + 1 :] = _NEVER
            return
        is_time = tokens[-1] >= first
        if is_time and (len(tokens) < 2 or tokens[-2] >= first):
            row[first:] = _NEVER  # a pair is complete, or the text has just begun: text must follow
        elif is_time:
            row[: self.specials.end] = _NEVER  # a segment has ended: the next one's begin, or the end
        latest = next((token for token in reversed(tokens) if token >= first), None)
        if latest is not None:
            begins = is_time and not (len(tokens) < 2 or tokens[-2] >= first)
            row[first : latest + (0 if begins else 1)] = _NEVER

    def _prefer_times(self, scores: Logits) -> None:
        """Where all times together are likelier than the likeliest text, only times are left; in place.

        What is left is normalised again, so that a score is the same whichever rule took the others away.
        """
        first = self.specials.first_timestamp
        for row in scores:
            all_times = _log_sum_exp(row[first:])
            if all_times > row[:first].max():
                row[:first] = _NEVER
                row[first:] -= np.float32(all_times)


def _indices(ids: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted(set(ids)), np.int64)
