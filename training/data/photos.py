"""Labelled photos: a folder with `manifest.tsv`, whose columns `path` and `imagenet_index` name each picture."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.image_files.opened import open_image
from models.image_files.unread import UnreadKind
from models.manifest import ImagePreprocessing
from training.errors import DataError

EVAL_IMAGES = Path("eval") / "images"
_MANIFEST = "manifest.tsv"
_BATCH = 8


@dataclass(frozen=True)
class Photos:
    """Files and their class ids, in the manifest's order."""

    name: str
    files: tuple[Path, ...]
    class_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.files)

    def batches(
        self, spec: ImagePreprocessing, size: int = _BATCH
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Pixels, uint8 `[n, crop, crop, 3]`, and class ids, int64 `[n]`, with n up to `size`."""
        for start in range(0, len(self.files), size):
            pixels = np.stack([read_pixels(each, spec) for each in self.files[start : start + size]])
            yield pixels, np.asarray(self.class_ids[start : start + size], dtype=np.int64)


def read_pixels(file: Path, spec: ImagePreprocessing) -> NDArray[np.uint8]:
    """One picture as an image graph takes it, uint8 `[crop, crop, 3]`; the same steps as in serving.

    Raises:
        DataError: the file cannot be read as a picture.
    """
    try:
        with open_image(file) as image:
            return image.square(spec).pixels
    except UnreadKind as error:
        raise DataError(f"{file.name} is not read: {error.reason}") from error
    except Exception as error:  # Pillow raises many types on files that are no pictures
        raise DataError(f"{file.name} cannot be read as a picture") from error


def read_photos(folder: Path) -> Photos:
    """The photos of a folder with `manifest.tsv`, or of `eval/images` below a data folder.

    Raises:
        DataError: there is no manifest, it names files that are not there, or it lacks a column.
    """
    nested = folder / EVAL_IMAGES
    place = nested if (nested / _MANIFEST).is_file() else folder
    manifest = place / _MANIFEST
    if not manifest.is_file():
        raise DataError(f"neither {folder} nor its {EVAL_IMAGES} has a {_MANIFEST}")
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        files = tuple(place / row["path"] for row in rows)
        class_ids = tuple(int(row["imagenet_index"]) for row in rows)
    except (KeyError, ValueError) as error:
        raise DataError(f"{manifest} needs the columns path and imagenet_index, the latter a number") from error
    missing = [each.name for each in files if not each.is_file()]
    if missing or not files:
        raise DataError(f"{manifest} names {missing[0]}, which is not there" if missing else f"{manifest} is empty")
    return Photos("eval/images" if place == nested else place.name, files, class_ids)


def has_photos(data: Path) -> bool:
    """Whether `read_photos` finds a manifest there."""
    return (data / EVAL_IMAGES / _MANIFEST).is_file() or (data / _MANIFEST).is_file()


def find_photos(data: Path | None) -> Photos | None:
    """`eval/images` of the data folder, or None where there is no data folder or it has none."""
    return read_photos(data) if data is not None and (data / EVAL_IMAGES / _MANIFEST).is_file() else None
