"""What a person who runs a command can mend: each error is one sentence, and the command ends with status 2.

TrainingError
├── SourceError      weights cannot be had, or are not what was pinned
├── DataError        the data folder lacks what is needed
├── RecipeError      a recipe is wrong somewhere
├── CheckpointError  a checkpoint cannot be read or written, or belongs to something else
├── DivergedError    training came to nothing: not a number, or gradients that vanish or explode
├── ExportError      a model cannot be exported as asked
│   └── ParityError  the exported graph does not compute what PyTorch computes
├── GateError        a model is right about nothing, or worse than the one that it would replace
└── UsageError       the command line asks for what does not exist

Interrupted          Ctrl-C, with what stands and how to go on
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class TrainingError(Exception):
    """Root of the tree; the message is one sentence for the person at the terminal."""


class SourceError(TrainingError):
    """Weights cannot be had, or are not what was pinned."""


class DataError(TrainingError):
    """The data folder lacks what is needed, or holds something else."""


class RecipeError(TrainingError):
    """A recipe is wrong somewhere, or there is none of that name."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be read or written, or belongs to something else."""


class DivergedError(TrainingError):
    """Training came to nothing: a loss that is no number, or gradients that vanish or explode."""


class GateError(TrainingError):
    """A model is right about nothing, or worse than the one that it would replace; nothing is published."""


class ExportError(TrainingError):
    """A model cannot be exported as asked."""


class ParityError(ExportError):
    """The exported graph does not compute what PyTorch computes; nothing is published."""


class UsageError(TrainingError):
    """The command line asks for what does not exist."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C amid something that can be gone on with.

    The message says what stands; `going_on` makes the arguments that go on of those that were typed.
    """

    def __init__(self, words: str, going_on: Callable[[Sequence[str]], Sequence[str]] = list) -> None:
        super().__init__(words)
        self.going_on = going_on
