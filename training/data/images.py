"""Labelled pictures to train on or to judge by: a folder for each class, a CSV, a tar; or scikit-learn's digits.

Parts named `train` and `test` are taken as they are; otherwise a test part is held out. What cannot be read is named
and left out. Pictures are reduced to squares of uint8 by the same code as in serving, once, into a file of the cache
that is mapped into memory: the next run begins at once, and data may be larger than the memory.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.image_files.opened import open_image
from models.manifest import ImagePreprocessing
from models.preprocess import fit
from training.data.archive import unpacked
from training.data.decoded import Decoded, decoded, left_out
from training.data.split import Indices, grouped_split
from training.errors import DataError

MIN_PICTURES = 20
_TRAIN, _TEST = "train", "test"
_COLUMNS = ("path", "label")
_DIGIT_LEVELS = 16
_DIGIT_BLOCKS = 5
_SEED = 20261125  # of the test part where the data have none: the same for every recipe


@dataclass(frozen=True)
class Pictures:
    """Labelled squares: rows of an array uint8 `[n, side, side, 3]`, class ids int64 `[rows]`, and content hashes."""

    squares: NDArray[np.uint8]
    rows: Indices
    class_ids: NDArray[np.int64]
    contents: tuple[str, ...]
    files: tuple[Path, ...] = ()
    """Where each comes from; empty where they come from no files."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side_px(self) -> int:
        """Side of the squares."""
        return int(self.squares.shape[1])

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """One of them, uint8 `[side, side, 3]`."""
        return np.asarray(self.squares[self.rows[index]])

    def taken(self, indices: Indices) -> Pictures:
        """Some of them."""
        kept = indices.tolist()
        return replace(
            self,
            rows=self.rows[indices],
            class_ids=self.class_ids[indices],
            contents=tuple(self.contents[each] for each in kept),
            files=tuple(self.files[each] for each in kept) if self.files else (),
        )

    def as_served(self, index: int, spec: ImagePreprocessing) -> NDArray[np.uint8]:
        """One of them as the service gives it to the graph, uint8 `[crop, crop, 3]`."""
        if self.files and spec.crop_px != self.side_px:
            with open_image(self.files[index]) as image:
                return image.square(spec).pixels
        return fit(Image.fromarray(self.pixels(index)), spec)


@dataclass(frozen=True)
class ImageData:
    """A whole data set: what is learnt from, what is judged by, the classes' names, and what was left out."""

    train: Pictures
    test: Pictures
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_grey(self) -> bool:
        """Whether no training picture has a colour."""
        return all(_is_grey(self.train.pixels(index)) for index in range(len(self.train)))

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of both parts' contents and labels."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            digest.update("".join(part.contents).encode())
            digest.update(part.class_ids.tobytes())
        return digest.hexdigest()[:8]


def digits(test_block: int | None = None) -> ImageData:
    """scikit-learn's 1,797 handwritten digits of 8 × 8 (UCI, Alpaydin and Kaynak), a fifth of them held out.

    At random, so that every writer is on both sides; or one of five blocks of their order, which is that of the 13
    writers (who wrote what is not told), so that nearly all of its writers are unknown to the other blocks.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes seconds, and only the digits need it

    loaded = load_digits()
    levels = np.rint(loaded.images * (255 / _DIGIT_LEVELS)).astype(np.uint8)
    pixels = np.repeat(levels[..., None], 3, axis=-1)
    everything = Pictures(pixels, np.arange(len(pixels)), loaded.target.astype(np.int64), _hashes(pixels))
    names = tuple(str(digit) for digit in range(10))
    if test_block is None:
        return _divided(everything, names, 0.2, ())
    is_held = np.arange(len(pixels)) * _DIGIT_BLOCKS // len(pixels) == test_block
    return ImageData(everything.taken(np.flatnonzero(~is_held)), everything.taken(np.flatnonzero(is_held)), names)


def judged_files(root: Path, cache: Path) -> tuple[list[tuple[Path, str]], bool]:
    """What to judge a model on: the files of the test part with their labels, or of everything where there is none.

    The second of the two says whether there is a test part. No file is opened.

    Raises:
        DataError: there is nothing there.
    """
    place = unpacked(root, cache)
    if not place.exists():
        raise DataError(f"there is no folder, CSV or tar {root}")
    listed = _read_csv(place) if place.is_file() else _read_folder(place)
    tests = listed.get(_TEST, [])
    files = tests or listed.get(_TRAIN, [])
    if not files:
        raise DataError(f"{root} holds no pictures: put them into one folder for each class, or name them in a CSV")
    return files, bool(tests)


def read_images(root: Path, size_px: int, test_fraction: float, cache: Path) -> ImageData:
    """The pictures of a folder, a CSV or a tar.

    Raises:
        DataError: there is nothing there, or too little to learn from: one class, a handful of pictures.
    """
    place = unpacked(root, cache)
    if not place.exists():
        raise DataError(f"there is no folder, CSV or tar {root}")
    listed = _read_csv(place) if place.is_file() else _read_folder(place)
    train_files, test_files = listed.get(_TRAIN, []), listed.get(_TEST, [])
    classes = tuple(sorted({label for files in listed.values() for _, label in files}))
    _refuse_too_little(root, classes, train_files)
    found = decoded([file for file, _ in (*train_files, *test_files)], size_px, cache)
    train = _labelled(found, range(len(train_files)), [label for _, label in train_files], classes)
    tests = range(len(train_files), len(train_files) + len(test_files))
    test = _labelled(found, tests, [label for _, label in test_files], classes)
    notes = tuple(f"{file} was left out: {reason}" for file, reason in found.broken)
    _refuse_too_little(root, classes, [("", classes[each]) for each in train.class_ids], notes)
    if not len(test):
        return _with_test(_divided(train, classes, test_fraction, notes), root)
    judged = set(test.contents)
    kept = np.array([index for index, content in enumerate(train.contents) if content not in judged], np.int64)
    if twins := len(train) - len(kept):
        notes = (*notes, f"{twins} training pictures are in the test part too and were left out")
    return ImageData(train.taken(kept), test, classes, notes)


def _read_folder(root: Path) -> dict[str, list[tuple[Path, str]]]:
    """Files and labels by part: `root/train/<class>/…` and `root/test/<class>/…`, or `root/<class>/…`."""
    table = next(iter(sorted(root.glob("*.csv"))), None)
    if table is not None:
        return _read_csv(table)
    if (root / _TRAIN).is_dir() or _holds_folders(root / _TEST):
        return {part: _by_class(root / part) for part in (_TRAIN, _TEST) if (root / part).is_dir()}
    return {_TRAIN: _by_class(root)}


def _holds_folders(folder: Path) -> bool:
    return folder.is_dir() and any(each.is_dir() for each in folder.iterdir())


def _by_class(folder: Path) -> list[tuple[Path, str]]:
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    return [
        (file, each.name)
        for each in classes
        for file in sorted(each.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _read_csv(table: Path) -> dict[str, list[tuple[Path, str]]]:
    """Columns `path` and `label`, and `part` (train or test) where parts are given."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table.name} is neither a CSV in UTF-8 nor a tar") from error
    if not rows or any(column not in rows[0] for column in _COLUMNS):
        raise DataError(f"{table.name} needs a header with the columns {' and '.join(_COLUMNS)}")
    parts: dict[str, list[tuple[Path, str]]] = {}
    for number, row in enumerate(rows, 1):
        if not all(row[column] for column in _COLUMNS):
            raise DataError(f"{table.name}: row {number} lacks a path or a label")
        part = (row.get("part") or _TRAIN).strip()
        if part not in {_TRAIN, _TEST}:
            raise DataError(f"{table.name}: the part {part} is neither {_TRAIN} nor {_TEST}")
        parts.setdefault(part, []).append((table.parent / row["path"], row["label"]))
    return parts


def _refuse_too_little(
    root: Path, classes: Sequence[str], files: Sequence[tuple[object, str]], notes: Sequence[str] = ()
) -> None:
    left = left_out(notes)
    if not files:
        raise DataError(f"{root} holds no pictures: make a folder for each class, or name them in a CSV{left}")
    if len(classes) < 2:
        raise DataError(f"{root} holds only the class {classes[0]}: at least two are needed to tell apart")
    if len(files) < MIN_PICTURES:
        raise DataError(f"{root} holds only {len(files)} pictures to learn from: {MIN_PICTURES} are needed{left}")
    counts = Counter(label for _, label in files)
    for each in classes:
        if counts[each] < 2:
            raise DataError(f"{root} holds {counts[each]} pictures of the class {each}: at least 2 are needed{left}")


def _labelled(found: Decoded, places: range, labels: Sequence[str], classes: Sequence[str]) -> Pictures:
    """The readable ones among the files at these places of the list."""
    ids = {name: number for number, name in enumerate(classes)}
    rows = [row for row, place in enumerate(found.places) if place in places]
    return Pictures(
        squares=found.squares,
        rows=np.array(rows, np.int64),
        class_ids=np.array([ids[labels[found.places[row] - places.start]] for row in rows], np.int64),
        contents=tuple(found.contents[row] for row in rows),
        files=tuple(found.files[row] for row in rows),
    )


def _with_test(data: ImageData, root: Path) -> ImageData:
    if not len(data.test):
        raise DataError(
            f"no picture of {root} can be held out to judge by, its classes are too small: set data.test higher, or "
            f"divide the pictures into folders {_TRAIN} and {_TEST}"
        )
    return data


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _hashes(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(hashlib.sha1(each.tobytes(), usedforsecurity=False).hexdigest() for each in pixels)


def _divided(everything: Pictures, classes: tuple[str, ...], fraction: float, notes: tuple[str, ...]) -> ImageData:
    kept, held = grouped_split(everything.contents, everything.class_ids.tolist(), fraction, _SEED)
    return ImageData(everything.taken(kept), everything.taken(held), classes, notes)
