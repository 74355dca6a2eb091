"""A desk without a network: the logits of the next token are a table of the last one, so that tests can enumerate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.sound_files.resample import Samples
from service.speech.listener import Logits


class ChainDesk:
    """What follows a token depends on that token alone; everything that is asked is noted."""

    def __init__(self, table: Mapping[int, Mapping[int, float]], size: int) -> None:
        self._table = table
        self._size = size
        self.begun: list[list[int]] = []
        self.heard: list[Samples] = []
        self.rows: list[list[int]] = []
        self.steps = 0

    @property
    def readings(self) -> list[list[int]]:
        """Of what was begun, that which went on behind its start: what is asked of a window is not among them."""
        return [each for each in self.begun if len(each) > 1]

    def listen(self, samples: Samples) -> None:
        self.heard.append(samples)

    def begin(self, tokens: Sequence[int]) -> Logits:
        self.begun.append(list(tokens))
        self.rows = [list(tokens)]
        return self._behind(tokens[-1])

    def go_on(self, tokens: Sequence[int]) -> Logits:
        self.begun[-1] += tokens
        self.rows[0] += tokens
        return self._behind(tokens[-1])

    def keep(self, parents: Sequence[int]) -> None:
        self.rows = [list(self.rows[parent]) for parent in parents]

    def step(self, tokens: Sequence[int]) -> Logits:
        assert len(tokens) == len(self.rows)
        self.steps += 1
        for row, token in zip(self.rows, tokens, strict=True):
            row.append(token)
        return np.stack([self._behind(row[-1]) for row in self.rows])

    def _behind(self, token: int) -> Logits:
        logits = np.full(self._size, -np.inf, np.float32)
        for following, probability in self._table.get(token, {}).items():
            logits[following] = np.log(probability)
        return logits
