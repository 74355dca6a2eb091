"""Checkpoints that are whole or not there: written beside, flushed to the disk, renamed into place.

A process may end at any moment (`kill -9`, a power cut): the checkpoint before stays. What is read is tensors and
plain data; nothing in it is executed.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from training.errors import TrainingError


class CheckpointError(TrainingError):
    """A checkpoint cannot be read, or belongs to something else."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint at `path`.

    Raises:
        CheckpointError: the disk is full, or cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} cannot be written: {error.strerror}") from error


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint's content on the CPU, or None where there is none.

    Raises:
        CheckpointError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read; delete it to begin anew") from error
    return state
