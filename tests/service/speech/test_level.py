"""Faint sound is raised within bounds; everything else stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from service.speech.level import MAX_GAIN, TARGET_PEAK, gains, raised


def test_peaks_are_raised_to_one_level_and_never_lowered() -> None:
    peaks = np.array([0.0, 1e-6, 0.001, 0.025, 0.25, 0.8], np.float32)
    np.testing.assert_allclose(gains(peaks), [MAX_GAIN, MAX_GAIN, 250.0, 10.0, 1.0, 1.0], rtol=1e-5)


@pytest.mark.parametrize("peak", [0.011, 0.05, 0.5, 1.0])
def test_sound_of_an_ordinary_level_is_the_same_sound(peak: float) -> None:
    samples = np.array([0.0, -peak, peak / 2], np.float32)
    assert raised(samples) is samples


def test_faint_sound_keeps_its_shape_and_the_one_that_was_given() -> None:
    samples = np.array([0.0, -0.002, 0.001], np.float32)
    np.testing.assert_allclose(raised(samples), [0.0, -TARGET_PEAK, TARGET_PEAK / 2], rtol=1e-5)
    assert samples[1] == np.float32(-0.002)
    assert raised(samples[:0]).size == 0
