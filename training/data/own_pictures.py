"""Pictures of a user's own to judge a published model by: their classes are found among the model's labels.

They are read as the service reads them, one by one; a picture that cannot be read is named and left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from models.postprocess import Labels
from training.data.images import judged_files
from training.data.labelled import BATCH, Labelled
from training.data.photos import read_pixels
from training.errors import DataError, UsageError

_SHOWN = 8
_GAPS = re.compile(r"[\s_-]+")


@dataclass
class OwnPictures:
    """Files, and the class ids that the model has for them."""

    name: str
    files: tuple[Path, ...]
    class_ids: NDArray[np.int64]
    left_out: list[Path] = field(default_factory=list)
    """Those that `batches` could not read; it fills the list anew."""

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, spec: ImagePreprocessing, size: int = BATCH) -> Iterator[Labelled]:
        """All that can be read."""
        self.left_out.clear()
        for start in range(0, len(self.files), size):
            read = [(row, self._pixels(row, spec)) for row in range(start, min(start + size, len(self.files)))]
            kept = [(row, pixels) for row, pixels in read if pixels is not None]
            if kept:
                yield np.stack([pixels for _, pixels in kept]), self.class_ids[[row for row, _ in kept]]

    def _pixels(self, row: int, spec: ImagePreprocessing) -> NDArray[np.uint8] | None:
        try:
            return read_pixels(self.files[row], spec)
        except DataError:
            self.left_out.append(self.files[row])
            return None


def read_own_pictures(root: Path, labels: Labels, model: str, cache: Path) -> OwnPictures:
    """The pictures of a folder, a CSV or a tar; of the test part where there is one.

    Raises:
        DataError: there is nothing there.
        UsageError: a class is none of the model's.
    """
    files, is_part = judged_files(root, cache)
    ids = class_ids_of(sorted({label for _, label in files}), labels, model)
    return OwnPictures(
        name=f"test part of {root.name}" if is_part else root.name,
        files=tuple(file for file, _ in files),
        class_ids=np.array([ids[label] for _, label in files], np.int64),
    )


def class_ids_of(names: Sequence[str], labels: Labels, model: str) -> Mapping[str, int]:
    """The class id of each name; case does not matter, and `_` and `-` are spaces.

    Raises:
        UsageError: a name is no label of the model, or of several of its classes.
    """
    exact, folded = _places(labels, str), _places(labels, _folded)
    found = {name: exact.get(name) or folded.get(_folded(name), []) for name in names}
    unknown = [name for name, ids in found.items() if not ids]
    if unknown:
        raise UsageError(
            f"{_some(unknown)} {'is' if len(unknown) == 1 else 'are'} no label of {model}, which knows "
            f"{_some([each.label for each in labels.classes])}: name the classes as the model does"
        )
    for name, ids in found.items():
        if len(ids) > 1:
            raise UsageError(
                f"{name} is the label of {len(ids)} classes of {model}: it cannot be told which is meant"
            )
    return {name: ids[0] for name, ids in found.items()}


def _places(labels: Labels, key: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for class_id, each in enumerate(labels.classes):
        places[key(each.label)].append(class_id)
    return places


def _folded(name: str) -> str:
    return _GAPS.sub(" ", name.casefold()).strip()


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
