"""Pictures of nothing: every kind, the same each time."""

from __future__ import annotations

import numpy as np

from training.export.strange import strange_pictures


def test_there_are_noise_flat_colours_ramps_and_leaves() -> None:
    pictures = strange_pictures(18)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (4 * 24 + 32, 18, 18, 3)
    is_flat = (pictures == pictures[:, :1, :1]).all((1, 2, 3))
    assert is_flat.sum() == 24
    is_ramp = (pictures == pictures[:, :, :1]).all((1, 2, 3)) & ~is_flat
    assert is_ramp.sum() == 24
    coarse = pictures[24:48, :16, :16].reshape(24, 4, 4, 4, 4, 3)
    assert (coarse == coarse[:, :, :1, :, :1]).all()


def test_they_are_the_same_each_time() -> None:
    np.testing.assert_array_equal(strange_pictures(9), strange_pictures(9))
