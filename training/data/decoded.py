"""Picture files decoded once: squares of uint8 in one file of the cache, with what could not be read.

The cache's key is the list of files with their sizes and times, so changed files are decoded again, and all of them
where they are read in another way than before. What is half
written when a process ends is never used. It does not know labels.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.image_files.opened import READING, open_image
from models.image_files.unread import UnreadKind
from models.manifest import ImagePreprocessing
from training.data.cached import cached

_SQUARES, _INDEX = "squares.npy", "index.json"
_CHUNK = 256  # files that are handed to the threads at once
Outcome = tuple[NDArray[np.uint8], str] | str
"""A square and the hash of its file, or why there is none."""


@dataclass(frozen=True)
class Decoded:
    """Squares uint8 `[n, side, side, 3]` in the order of the files that can be read."""

    squares: NDArray[np.uint8]
    files: tuple[Path, ...]
    places: tuple[int, ...]
    """Of each square: the place of its file in the list that was asked for."""
    contents: tuple[str, ...]
    """Of each square: the sha1 of its file."""
    broken: tuple[tuple[Path, str], ...]
    """Files that were left out, with the reason."""


def decoded(files: Sequence[Path], side_px: int, cache: Path) -> Decoded:
    """Every file as a square, from the cache where it is there.

    Raises:
        DataError: the cache has no room.
    """
    folder = cached(
        cache / "decoded" / listing_key(files, f"{side_px} {READING}"),
        lambda scratch: _write_all(scratch, files, side_px),
        len(files) * side_px * side_px * 3,
    )
    index = json.loads((folder / _INDEX).read_text("utf-8"))
    return Decoded(
        squares=np.asarray(np.load(folder / _SQUARES, mmap_mode="r"))[: len(index["places"])],
        files=tuple(files[place] for place in index["places"]),
        places=tuple(index["places"]),
        contents=tuple(index["contents"]),
        broken=tuple((files[place], reason) for place, reason in index["broken"]),
    )


def left_out(notes: Sequence[str]) -> str:
    """What an error adds where files were left out: the first of them and how many more; nothing where none were."""
    more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
    return f"; {notes[0]}{more}" if notes else ""


def listing_key(files: Sequence[Path], settings: str) -> str:
    """Sixteen hex digits of files by their places, sizes and times, and of what is made of them."""
    digest = hashlib.sha256(settings.encode())
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            digest.update(f"{file.absolute()} -\n".encode())
            continue
        digest.update(f"{file.absolute()} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _write_all(folder: Path, files: Sequence[Path], side_px: int) -> None:
    index = _write(folder / _SQUARES, files, side_px)
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")


def _write(path: Path, files: Sequence[Path], side_px: int) -> dict[str, list[object]]:
    mapped = np.lib.format.open_memmap(path, "w+", np.uint8, (max(1, len(files)), side_px, side_px, 3))
    squares = np.asarray(mapped)  # the same memory, without what a memmap costs at every row
    index: dict[str, list[object]] = {"places": [], "contents": [], "broken": []}
    for place, outcome in enumerate(_outcomes(files, side_px)):
        if isinstance(outcome, str):
            index["broken"].append((place, outcome))
            continue
        squares[len(index["places"])], content = outcome
        index["places"].append(place)
        index["contents"].append(content)
    mapped.flush()
    return index


def _outcomes(files: Sequence[Path], side_px: int) -> Iterator[Outcome]:
    spec = ImagePreprocessing(resize_px=side_px, crop_px=side_px)
    bar = tqdm(total=len(files), unit="picture", desc="reading", leave=False, disable=None)
    with ThreadPoolExecutor(os.cpu_count()) as threads, bar:
        for start in range(0, len(files), _CHUNK):
            for outcome in threads.map(lambda file: _square(file, spec), files[start : start + _CHUNK]):
                bar.update()
                yield outcome


def _square(file: Path, spec: ImagePreprocessing) -> Outcome:
    try:
        data = file.read_bytes()
        with open_image(io.BytesIO(data)) as image:
            return image.square(spec).pixels, hashlib.sha1(data, usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return "it is not there"
    except UnreadKind as error:
        return f"it is not read: {error.reason}"
    except Exception:  # Pillow raises many types on files that are no pictures
        return "it cannot be read as a picture"
