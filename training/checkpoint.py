"""Checkpoints that are whole or not there: written beside, flushed to the disk, renamed into place.

A process may end at any moment (`kill -9`, a power cut): the checkpoint before stays. What is read is tensors and
plain data; nothing in it is executed, and a file whose checksums do not agree is not used.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from training.errors import CheckpointError

_DAMAGE = (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError)


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint at `path`.

    Raises:
        CheckpointError: the disk is full, or cannot be written; the checkpoint before is still there.
    """
    content = io.BytesIO()  # torch.save itself reports a full disk as an error of its own code
    torch.save(state, content)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content.getbuffer())
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
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load does not look at the checksums
        state: Any = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise CheckpointError(_unreadable(path)) from error
    if not isinstance(state, dict):
        raise CheckpointError(_unreadable(path))
    return state


def _unreadable(path: Path) -> str:
    return f"the checkpoint {path} cannot be read; delete it to begin anew"
