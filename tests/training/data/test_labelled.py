"""A held-out part gives its pictures in batches, as the service would give them to the graph."""

from __future__ import annotations

import numpy as np

from models.manifest import ImagePreprocessing
from training.data.images import Pictures
from training.data.labelled import HeldOut

SPEC = ImagePreprocessing(resize_px=4, crop_px=4)


def pictures(count: int) -> Pictures:
    squares = np.arange(count * 48, dtype=np.uint8).reshape(count, 4, 4, 3)
    rows = np.arange(count)[::-1]
    return Pictures(squares, rows, np.arange(count) % 3, tuple(str(each) for each in rows))


def test_batches_are_all_of_them_in_order() -> None:
    held = HeldOut("test part of x", pictures(11))
    batches = list(held.batches(SPEC, 4))
    assert [len(pixels) for pixels, _ in batches] == [4, 4, 3]
    assert np.concatenate([pixels for pixels, _ in batches]).tolist() == held.pictures.squares[::-1].tolist()
    assert np.concatenate([ids for _, ids in batches]).tolist() == held.class_ids.tolist()
    assert len(held) == 11


def test_none_gives_no_batch() -> None:
    assert list(HeldOut("nothing", pictures(0)).batches(SPEC)) == []
