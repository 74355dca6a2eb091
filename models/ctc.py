"""From a CTC model's frames to tokens: the best path, repeats and blanks taken out.

Both halves read a model's output with this, so it is judged in training as it is heard in serving. Source: Graves et
al., "Connectionist temporal classification" (2006), best path decoding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLANK = 0


@dataclass(frozen=True)
class Emission:
    """One token, the frames it was heard in (half open), and its mean natural log-probability there."""

    token: int
    begin: int
    end: int
    logprob: float


def best_path(log_probabilities: NDArray[np.float32]) -> list[Emission]:
    """The likeliest token of each frame, of `[frames, tokens]`: runs of one token are one, blanks are none."""
    if not len(log_probabilities):
        return []
    path = log_probabilities.argmax(axis=-1)
    bounds = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    return [
        Emission(int(path[begin]), begin, end, float(log_probabilities[begin:end, path[begin]].mean()))
        for begin, end in pairwise(bounds)
        if path[begin] != BLANK
    ]


@dataclass(frozen=True)
class Units:
    """What a model writes: the text of each token behind the blank, and what stands between two."""

    texts: tuple[str, ...]
    joiner: str

    def text(self, tokens: Sequence[int]) -> str:
        """Text of token ids, of which 0 is the blank and is none."""
        return self.joiner.join(self.texts[token - 1] for token in tokens if token != BLANK)

    @classmethod
    def read(cls, path: Path) -> Units:
        """Read `units.json`: `{"texts": […], "joiner": …}`.

        Raises:
            ValueError, KeyError, TypeError: it is no such file.
        """
        content = json.loads(path.read_text("utf-8"))
        texts, joiner = content["texts"], content["joiner"]
        if not (isinstance(texts, list) and all(isinstance(each, str) for each in (joiner, *texts))):
            raise ValueError("units are a list of texts, and what joins them is one")
        return cls(tuple(texts), joiner)

    def write(self, path: Path) -> None:
        """Write what `read` reads."""
        content = {"texts": list(self.texts), "joiner": self.joiner}
        path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
