"""Pictures of nothing: every kind, the same each time, and no two alike."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.export.strange import DRAWERS, Drawer, strange, strange_pictures
from training.export.strange_textures import coloured_noise


def test_there_are_noise_flat_colours_ramps_and_leaves() -> None:
    found = strange(18)
    pictures = found.pixels
    assert pictures.dtype == np.uint8
    assert pictures.shape == (4 * 24 + 32 + 24 * len(DRAWERS), 18, 18, 3)
    is_flat = (pictures == pictures[:, :1, :1]).all((1, 2, 3))
    assert is_flat.sum() == 24
    assert is_flat[found.kinds == 2].all()
    is_ramp = (pictures == pictures[:, :, :1]).all((1, 2, 3)) & ~is_flat
    assert is_ramp[found.kinds == 3].all()
    coarse = pictures[24:48, :16, :16].reshape(24, 4, 4, 4, 4, 3)
    assert (coarse == coarse[:, :, :1, :, :1]).all()


def test_each_kind_is_counted_apart() -> None:
    counts = np.bincount(strange(9).kinds)
    assert counts.tolist() == [24, 24, 24, 24, 32, *[24] * len(DRAWERS)]


def test_they_are_the_same_each_time() -> None:
    np.testing.assert_array_equal(strange_pictures(9), strange_pictures(9))


@pytest.mark.parametrize("drawer", DRAWERS, ids=lambda drawer: drawer.__name__)
@pytest.mark.parametrize("side_px", [8, 64])
def test_drawn_pictures_show_something_and_differ(drawer: Drawer, side_px: int) -> None:
    drawn = [drawer(np.random.default_rng((3, seed)), side_px) for seed in range(6)]
    assert {(each.shape, each.dtype.name) for each in drawn} == {((side_px, side_px, 3), "uint8")}
    assert all(np.ptp(each.reshape(-1, 3), axis=0).max() > 0 for each in drawn)
    assert len({each.tobytes() for each in drawn}) == 6


def test_coloured_noise_has_less_power_at_high_frequencies() -> None:
    """Twelve of them, each against white noise: the share of power in the upper half of frequencies."""

    def high_share(plane: NDArray[np.float64]) -> float:
        power = np.abs(np.fft.fft2(plane - plane.mean())) ** 2
        across = np.abs(np.fft.fftfreq(len(plane)))
        return float(power[np.maximum.outer(across, across) > 0.25].sum() / power.sum())

    white = high_share(np.random.default_rng(0).normal(size=(64, 64)))
    shares = [high_share(coloured_noise(np.random.default_rng(n), 64)[..., 0].astype(np.float64)) for n in range(12)]
    assert all(share < white for share in shares)
    assert min(shares) < 0.1 * white
