"""What the Whisper loop needs of the graphs behind it: to listen to a window, and to write token by token.

Tests put functions behind it; `service.speech.desk` has the real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.sound_files.resample import Samples

Logits = NDArray[np.float32]


class Desk(Protocol):
    """One lane's memory: the sound of a window, and hypotheses about its text. For one thread."""

    def listen(self, samples: Samples) -> None:
        """Encode a window, float32 `[n]` at 16 kHz, n ≤ 480,000; what was written before is forgotten."""
        ...

    def begin(self, tokens: Sequence[int]) -> Logits:
        """Forget what was written and read a beginning; logits `[vocabulary]` of what may follow."""
        ...

    def go_on(self, tokens: Sequence[int]) -> Logits:
        """Read more tokens behind the beginning; logits `[vocabulary]` of what may follow."""
        ...

    def keep(self, parents: Sequence[int]) -> None:
        """Let hypothesis i be what hypothesis `parents[i]` was; as many go on as there are parents."""
        ...

    def step(self, tokens: Sequence[int]) -> Logits:
        """One more token for each hypothesis: logits `[rows, vocabulary]`, valid until the next call."""
        ...


class Listener(Protocol):
    """Gives each lane its desk."""

    def desk(self, rows: int) -> Desk:
        """Memory for up to `rows` hypotheses."""
        ...
