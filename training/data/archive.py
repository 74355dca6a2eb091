"""Data that come as a tar: unpacked once, below the cache."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zlib
from pathlib import Path

from training.data.cached import cached
from training.errors import DataError

_PARTS = {"train", "test"}
_BLOCK_BYTES = 1 << 20


def unpacked(place: Path, cache: Path) -> Path:
    """The folder that a tar was unpacked to, or the place itself where it is none.

    Links and paths that lead out of the folder are refused, and so are devices.

    Raises:
        DataError: the tar is damaged.
    """
    if not (place.is_file() and tarfile.is_tarfile(place)):
        return place
    stat = place.stat()
    key = hashlib.sha256(f"{place.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    folder = cached(cache / "unpacked" / key, lambda scratch: _extract(place, scratch))
    inside = [each for each in folder.iterdir() if not each.name.startswith(".")]
    is_wrapped = len(inside) == 1 and inside[0].is_dir() and inside[0].name not in _PARTS
    return inside[0] if is_wrapped else folder


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
            while tar.fileobj is not None and tar.fileobj.read(_BLOCK_BYTES):
                pass  # only at its end does a compressed file tell that it is damaged
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{archive.name} cannot be unpacked: {error}") from error
