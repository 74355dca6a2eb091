"""What a person who runs a command can mend: each error is one sentence, and the command ends with status 2.

TrainingError
├── SourceError    weights cannot be had, or are not what was pinned
├── DataError      the data folder lacks what is needed
├── ExportError    a model cannot be exported as asked
│   └── ParityError  the exported graph does not compute what PyTorch computes
└── UsageError     the command line asks for what does not exist
"""

from __future__ import annotations


class TrainingError(Exception):
    """Root of the tree; the message is one sentence for the person at the terminal."""


class SourceError(TrainingError):
    """Weights cannot be had, or are not what was pinned."""


class DataError(TrainingError):
    """The data folder lacks what is needed, or holds something else."""


class ExportError(TrainingError):
    """A model cannot be exported as asked."""


class ParityError(ExportError):
    """The exported graph does not compute what PyTorch computes; nothing is published."""


class UsageError(TrainingError):
    """The command line asks for what does not exist."""
