"""Floats in the scale of whole numbers are told by their level; spikes and what is no number are not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from models.sound_files.decoding import Decoding
from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from models.sound_files.scale import full_scale
from tests.media import Recipe, write
from tests.models.sound_files.waves import FLOAT, murmur, plain, riff

SOUND = murmur(2.0)
QUIET = np.random.default_rng(3).normal(0, 2e-5, 4 * SPEECH_RATE_HZ)


def heard(sound: Any, bits: int = 32) -> Samples:
    data = riff(plain(FLOAT, 1, bits), sound.astype(f"<f{bits // 8}").tobytes())
    return np.concatenate(list(Decoding(io.BytesIO(data), 60.0)))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("full", [2.0**15, 2.0**23, 2.0**31])
@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_the_scale_of_whole_numbers(bits: int, full: float, gain: float) -> None:
    np.testing.assert_allclose(heard(gain * SOUND * full, bits), gain * SOUND, atol=1e-4 if full < 2**31 else 1e-3)


def test_a_quiet_beginning_is_in_the_scale_of_the_rest() -> None:
    found = heard(np.concatenate([QUIET, SOUND]) * 2**15)
    assert np.abs(found[: len(QUIET)]).max() < 1e-3
    np.testing.assert_allclose(found[len(QUIET) :], SOUND, atol=1e-4)


def test_files_of_another_kind_hold_them_as_well() -> None:
    recipe = Recipe("aiff", "pcm_f32be", SPEECH_RATE_HZ)
    data = write(recipe, (SOUND * 2**15).astype(np.float32))
    np.testing.assert_allclose(np.concatenate(list(Decoding(io.BytesIO(data), 60.0))), SOUND, atol=1e-4)


@pytest.mark.parametrize("gain", [1.0, 2.0, 7.0])
def test_loud_floats_are_floats(gain: float) -> None:
    loud = SOUND / np.abs(SOUND).max() * gain
    np.testing.assert_allclose(heard(loud), np.clip(loud, -1, 1), atol=1e-6)


@pytest.mark.parametrize("full", [1.0, 2.0**15])
@pytest.mark.parametrize("spike", [np.nan, np.inf, -np.inf, 1e30, -3e38])
def test_a_few_broken_samples_change_no_scale(full: float, spike: float) -> None:
    broken = SOUND * full
    broken[[1_000, 9_000, 20_000]] = spike
    found = np.delete(heard(broken), [1_000, 9_000, 20_000])
    np.testing.assert_allclose(found, np.delete(SOUND, [1_000, 9_000, 20_000]), atol=1e-4)


@pytest.mark.parametrize("level", [1e12, 1e30])
def test_what_no_scale_explains_is_clipped(level: float) -> None:
    assert full_scale(np.full((1, 100), level) * np.sign(SOUND[:100])) == 1.0
