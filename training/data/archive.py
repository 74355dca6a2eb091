"""Data that come as a tar: unpacked once, below the cache."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from training.data.cached import cached
from training.errors import DataError

_PARTS = {"train", "test"}


def unpacked(place: Path, cache: Path) -> Path:
    """The folder that a tar was unpacked to, or the place itself where it is none.

    Links, and paths that lead out of the folder, are refused.

    Raises:
        DataError: the tar is damaged.
    """
    if not (place.is_file() and tarfile.is_tarfile(place)):
        return place
    stat = place.stat()
    key = hashlib.sha256(f"{place.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    folder = cached(cache / "unpacked" / key, lambda scratch: _extract(place, scratch))
    inside = [each for each in folder.iterdir() if each.is_dir()]
    return inside[0] if len(list(folder.iterdir())) == 1 and inside and inside[0].name not in _PARTS else folder


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{archive.name} cannot be unpacked: {error}") from error
