"""Where Chinese text gets its marks: at the places where the model thought of one while it wrote.

Without a prompt Whisper writes most Chinese without marks, and a prompt that asks for them makes it hear worse. But
at every place it weighs marks beside what it writes, and what it thinks of them depends little on the style. So text
is read as it is, and marks are added afterwards: where one was likelier than not, and where a time or the end was
written, which the model does at pauses. Letters, their order and the times stay as they were read.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.speech.listener import Logits
from service.speech.text import is_han
from service.speech.tokenizer import Tokenizer

# What is written, and the tokens by which the model thinks of it: full-width ones are three tokens, and rare.
_FORMS = {"，": (",",), "、": ("、",), "。": ("。", "."), "？": ("?",)}
_INSIDE, _BETWEEN, _AT_THE_END = ("，", "、", "。", "？"), ("，", "。", "？"), ("。", "？")
_MOST_TOKENS = 4  # that may share one character
_LEAST_LETTERS = 4  # a window of fewer is a word that somebody says by itself, no sentence


@dataclass(frozen=True)
class Punctuated:
    """Which languages get marks, and when; the artifact says so of its model."""

    languages: frozenset[str] = frozenset()
    min_probability: float = 0.5
    """Of all marks together, where no time was written."""


class Marks:
    """Adds marks to what was read."""

    def __init__(self, tokenizer: Tokenizer, min_probability: float) -> None:
        self._tokenizer = tokenizer
        self._min_logprob = np.log(min_probability)
        self._written = {mark: tokenizer.encode(mark) for mark in _FORMS}
        by_mark = {mark: _single(tokenizer, forms) for mark, forms in _FORMS.items()}
        self.ids: NDArray[np.int64] = np.array([id_ for ids in by_mark.values() for id_ in ids], np.int64)
        """Tokens whose log-probabilities are wanted at each place."""
        self._columns = {mark: np.flatnonzero(np.isin(self.ids, ids)) for mark, ids in by_mark.items() if ids}

    def added(self, tokens: Sequence[int], beside: Sequence[Logits]) -> tuple[int, ...]:
        """The tokens with marks; `beside` are log-probabilities of `ids` at each token's place, and at the end's.

        Before a time and at the end they need not be normalised. Those of the end are missing where a text was broken
        off: it is closed like a sentence.
        """
        beside = [*beside, np.zeros(len(self.ids), np.float32)]
        made, passage = list[int](), _Passage()
        last = max((place for place, token in enumerate(tokens) if self._is_text(token)), default=-1)
        is_word = sum(char.isalnum() for char in self._tokenizer.decode(tokens)) < _LEAST_LETTERS
        for place, token in enumerate(tokens):
            if self._is_text(token):
                following = b"".join(map(self._tokenizer.data, tokens[place : place + _MOST_TOKENS]))
                made += self._mark(_INSIDE, beside[place]) if passage.may_go_on(following) else []
                passage.add(self._tokenizer.data(token))
            else:
                if passage.may_end and not (is_word and place > last):
                    made += self._best(_BETWEEN if place < last else _AT_THE_END, beside[place])
                passage = _Passage()
            made.append(token)
        if passage.may_end and not is_word:
            made += self._best(_AT_THE_END, beside[len(tokens)])
        return tuple(made)

    def _is_text(self, token: int) -> bool:
        return self._tokenizer.seconds(token) is None

    def _mark(self, allowed: Sequence[str], beside: Logits) -> list[int]:
        """The likeliest mark where all together are likely enough, else none."""
        return self._best(allowed, beside) if np.logaddexp.reduce(beside) >= self._min_logprob else []

    def _best(self, allowed: Sequence[str], beside: Logits) -> list[int]:
        """None where the tokenizer has a token for none of them."""
        scores = {mark: np.logaddexp.reduce(beside[self._columns[mark]]) for mark in allowed if mark in self._columns}
        return self._written[max(scores, key=scores.__getitem__)] if scores else []


class _Passage:
    """Text between two times, as it grows."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._text = ""

    def add(self, data: bytes) -> None:
        """One token's bytes more."""
        self._text += self._decoder.decode(data)

    @property
    def _is_whole(self) -> bool:
        return not self._decoder.getstate()[0]

    def may_go_on(self, following: bytes) -> bool:
        """Whether a mark may stand before what follows: behind a whole Han character, and beside no other mark."""
        char = following.decode("utf-8", "ignore")[:1]
        return bool(self._text) and self._is_whole and is_han(self._text[-1]) and not _is_gap(char)

    @property
    def may_end(self) -> bool:
        """Whether a mark may stand behind it: it is Chinese, or numbers alone, and ends in no mark."""
        text = self._text.rstrip()
        is_latin = any(char.isascii() and char.isalpha() for char in text) and not any(map(is_han, text))
        return bool(text) and self._is_whole and not is_latin and not _is_gap(text[-1])


def _is_gap(char: str) -> bool:
    return char != "" and unicodedata.category(char)[0] in "PZ"


def _single(tokenizer: Tokenizer, forms: Sequence[str]) -> list[int]:
    return [ids[0] for form in forms if len(ids := tokenizer.encode(form)) == 1]
