"""Looks at pictures: first as they are, then varied, the same each time, and only where there are few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from training.data.labelled import Labelled
from training.data.looks import Looks, looks_for

SPEC = ImagePreprocessing(resize_px=16, crop_px=16)


@dataclass(frozen=True)
class Some:
    """Smooth pictures, each with its number as class."""

    count: int
    name: str = "some"

    def __len__(self) -> int:
        return self.count

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """Its number."""
        return np.arange(self.count)

    def batches(self, spec: ImagePreprocessing, size: int = 8) -> Iterator[Labelled]:
        """All of them."""
        slopes = np.linspace(40, 200, spec.crop_px, dtype=np.uint8)
        pixels = np.stack([np.broadcast_to(slopes[:, None, None] // (n + 1), (16, 16, 3)) for n in range(self.count)])
        for start in range(0, self.count, size):
            yield pixels[start : start + size], self.class_ids[start : start + size]


def test_each_picture_comes_first_and_then_varied() -> None:
    looks = Looks(Some(5), 3)
    batches = list(looks.batches(SPEC, 2))
    pixels, class_ids = (np.concatenate(each) for each in zip(*batches, strict=True))
    assert max(len(each) for _, each in batches) == 2
    assert class_ids.tolist() == np.repeat(np.arange(5), 3).tolist() == list(looks.class_ids)
    assert len(looks) == 15 == len(pixels)
    plain = np.concatenate([each for each, _ in Some(5).batches(SPEC)])
    np.testing.assert_array_equal(pixels[::3], plain)
    for number in range(5):
        seen = pixels[3 * number : 3 * number + 3].astype(int)
        assert not (seen[1] == seen[2]).all()
        assert np.abs(seen[1:].mean() / seen[0].mean() - 1) < 0.35, "still the same picture"
    again = np.concatenate([each for each, _ in Looks(Some(5), 3).batches(SPEC, 8)])
    np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize(("pictures", "looks"), [(1, 32), (125, 32), (359, 12), (551, 8), (3999, 2), (4000, 1)])
def test_few_pictures_are_looked_at_often(pictures: int, looks: int) -> None:
    assert looks_for(pictures) == looks
