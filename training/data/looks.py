"""Several looks at each picture, where there are few pictures: cut a little closer, lighter or darker.

What two precisions of one network make of a picture differs by rounding, which falls anew with every look, so looks
show rare differences that the pictures themselves would not. They say nothing of subjects that no picture shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.manifest import ImagePreprocessing
from training.data.labelled import BATCH, Labelled, LabelledPictures

WANTED_LOOKS = 4000
MOST_LOOKS = 32
_SEED = 20261127
_CLOSEST = 0.85  # of the side
_LIGHT, _CONTRAST = 0.2, 0.2
_MIDDLE = 127.5


def looks_for(pictures: int) -> int:
    """So many at each that there are enough in all; one where there are thousands of pictures."""
    return min(MOST_LOOKS, max(1, -(-WANTED_LOOKS // max(1, pictures))))


@dataclass(frozen=True)
class Looks:
    """Labelled pictures, each of them `count` times in a row: first as it is, then varied."""

    pictures: LabelledPictures
    count: int

    @property
    def name(self) -> str:
        """That of the pictures."""
        return self.pictures.name

    def __len__(self) -> int:
        return len(self.pictures) * self.count

    @property
    def class_ids(self) -> Sequence[int] | NDArray[np.int64]:
        """Of each look."""
        return np.repeat(np.asarray(self.pictures.class_ids), self.count)

    def batches(self, spec: ImagePreprocessing, size: int = BATCH) -> Iterator[Labelled]:
        """All looks at one picture after another, up to `size` at a time."""
        number = 0
        for pixels, class_ids in self.pictures.batches(spec, size):
            for picture, class_id in zip(pixels, class_ids, strict=True):
                seen = np.stack([picture, *(_look(picture, number, each) for each in range(1, self.count))])
                number += 1
                for start in range(0, self.count, size):
                    part = seen[start : start + size]
                    yield part, np.full(len(part), class_id)


def _look(picture: NDArray[np.uint8], number: int, look: int) -> NDArray[np.uint8]:
    """One square of uint8 `[side, side, 3]` as another photographer might have had it."""
    rng = np.random.default_rng((_SEED, number, look))
    side = len(picture)
    kept = side * rng.uniform(_CLOSEST, 1)
    left, top = rng.uniform(0, side - kept, 2)
    box = (left, top, left + kept, top + kept)
    closer = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC, box), np.float64)
    contrast, light = rng.uniform(1 - _CONTRAST, 1 + _CONTRAST), rng.uniform(1 - _LIGHT, 1 + _LIGHT)
    varied = ((closer - _MIDDLE) * contrast + _MIDDLE) * light
    pixels: NDArray[np.uint8] = np.clip(np.rint(varied), 0, 255).astype(np.uint8)
    return pixels
