"""Folders of the cache that are whole or not there: filled beside, then renamed into place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from training.errors import DataError


def cached(folder: Path, fill: Callable[[Path], None], needed_bytes: int = 0) -> Path:
    """The folder, filled first where it is not there.

    Raises:
        DataError: there is no room for what it needs.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if needed_bytes > free:
        raise DataError(
            f"{needed_bytes / 1e9:.1f} GB are needed in {folder.parent}, which has {free / 1e9:.1f} GB free"
        )
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
    try:
        fill(scratch)
        try:
            scratch.rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder
