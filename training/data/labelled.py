"""What a classifier is measured on: pictures as a graph takes them, with their classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from training.data.images import Pictures

BATCH = 8
Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Pixels uint8 `[n, crop, crop, 3]` and class ids int64 `[n]`."""


class LabelledPictures(Protocol):
    """A set of them, in a fixed order."""

    @property
    def name(self) -> str:
        """How a manifest names the data."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    @property
    def class_ids(self) -> Sequence[int] | NDArray[np.int64]:
        """Of each picture."""
        ...

    def batches(self, spec: ImagePreprocessing, size: int = BATCH) -> Iterator[Labelled]:
        """All of them, up to `size` at a time, as the service would give them to the graph."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """A part of a training set."""

    name: str
    pictures: Pictures

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """Of each picture."""
        return self.pictures.class_ids

    def batches(self, spec: ImagePreprocessing, size: int = BATCH) -> Iterator[Labelled]:
        """All of them."""
        for start in range(0, len(self.pictures), size):
            rows = range(start, min(len(self.pictures), start + size))
            pixels = np.stack([self.pictures.as_served(row, spec) for row in rows])
            yield pixels, self.pictures.class_ids[start : rows.stop]
