"""Where channels cancel one is taken, in the right places and without clicks; elsewhere the sum stays bit for bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.sound_files.cancellation import Sum
from models.sound_files.decoding import Decoding
from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from tests.models.sound_files.waves import PCM, extensible, murmur, riff, samples, wav16

SOUND, OTHER = murmur(2.0), murmur(2.0, seed=1)
HALF = len(SOUND) // 2
CELL = SPEECH_RATE_HZ // 10


def heard(data: bytes) -> Samples:
    return np.concatenate(list(Decoding(io.BytesIO(data), 60.0)))


def stereo(left: NDArray[np.float64], right: NDArray[np.float64]) -> Samples:
    return heard(wav16(np.stack([left, right], axis=1)))


def likeness(found: Samples, sound: NDArray[np.float64]) -> float:
    """Of one sound in another, 0…1 whatever the sign, times how loud it is there."""
    return float(abs(found @ sound) / (sound @ sound))


@pytest.mark.parametrize("share", [1.0, 0.95, 0.8, 0.6])
def test_opposite_channels_give_one(share: float) -> None:
    found = stereo(SOUND, -share * SOUND)
    assert likeness(found, SOUND) == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(found, SOUND, atol=1e-3)


def test_opposite_channels_with_a_noise_of_their_own_give_one() -> None:
    noise = np.random.default_rng(2).normal(0, 0.01, (2, len(SOUND)))
    assert likeness(stereo(SOUND + noise[0], noise[1] - SOUND), SOUND) == pytest.approx(1.0, abs=0.05)


def test_opposite_channels_a_little_apart_give_one() -> None:
    assert likeness(stereo(SOUND, -np.roll(SOUND, 1)), SOUND) > 0.9


@pytest.mark.parametrize("opposed", [slice(0, HALF), slice(HALF, None), slice(HALF // 2, HALF + HALF // 2)])
def test_only_the_part_that_cancels_is_changed_and_nothing_of_it_is_lost(opposed: slice) -> None:
    right = SOUND.copy()
    right[opposed] *= -1
    differs = np.abs(stereo(SOUND, right) - SOUND) > 1e-3
    assert differs.sum() <= 2 * CELL / 10  # where it changes, one is faded into the other


def test_pairs_of_a_surround_recording_may_cancel() -> None:
    channels = np.zeros((len(SOUND), 6))  # front left and right, centre, low frequency, back left and right
    channels[:, 0], channels[:, 1] = SOUND, -SOUND
    channels[:, 4], channels[:, 5] = SOUND / 2, -SOUND / 2
    channels[:, 2] = OTHER / 100
    found = heard(riff(extensible(PCM, 6, 16, 16, 0x3F), samples(channels, 16)))
    assert likeness(found, SOUND) == pytest.approx(1.0, abs=0.01)


def test_another_channel_is_taken_where_the_first_falls_silent() -> None:
    channels = np.zeros((len(SOUND), 4))
    channels[:HALF, 0], channels[:HALF, 1] = SOUND[:HALF], -SOUND[:HALF]
    channels[HALF:, 2], channels[HALF:, 3] = SOUND[HALF:], -SOUND[HALF:]
    found = heard(riff(extensible(PCM, 4, 16, 16, 0), samples(channels, 16)))
    assert likeness(found[:HALF], SOUND[:HALF]) == pytest.approx(1.0, abs=0.02)
    assert likeness(found[HALF:], SOUND[HALF:]) == pytest.approx(1.0, abs=0.02)


_CHANCE = np.where((np.arange(len(SOUND)) // CELL == 4) | (np.arange(len(SOUND)) // CELL == 5), -SOUND, SOUND)
_ORDINARY = {
    "the same twice": (SOUND, SOUND),
    "two sounds": (SOUND, OTHER),
    "one silent": (SOUND, 0 * SOUND),
    "one after the other": (np.where(np.arange(len(SOUND)) < HALF, SOUND, 0), np.roll(OTHER, 1)),
    "a tenth, opposite": (SOUND, -0.1 * SOUND),
    "a little apart": (SOUND, np.roll(SOUND, 3)),
    "apart": (SOUND, np.roll(SOUND, 40)),
    "a short chance of phases": (SOUND, _CHANCE),
    "opposite hum in silence": (SOUND + 1e-4 * np.sin(np.arange(len(SOUND)) / 50), SOUND - 1e-4),
}


@pytest.mark.parametrize("name", _ORDINARY)
def test_ordinary_stereo_is_the_mean_bit_for_bit(name: str) -> None:
    words = np.rint(np.stack(_ORDINARY[name], axis=1) * 32767).astype("<i2")
    expected = np.array([0.5, 0.5], np.float32) @ (words.T.astype(np.float32) / np.float32(32768))
    np.testing.assert_array_equal(stereo(*_ORDINARY[name]), expected)


def test_there_is_no_click_where_it_changes() -> None:
    times = np.arange(4 * SPEECH_RATE_HZ) / SPEECH_RATE_HZ
    left = 0.5 * np.sin(2 * np.pi * 110 * times)
    right = np.where(times < 2.0, left, -0.6 * left)
    steps = np.abs(np.diff(stereo(left, right)))
    assert steps.max() < 1.5 * np.abs(np.diff(left)).max()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 15), min_size=1, max_size=6), st.lists(st.booleans(), min_size=40, max_size=40))
def test_every_sample_comes_out_once_and_soon(blocks: list[int], opposed: list[bool]) -> None:
    mixing = Sum((0.5, 0.5))
    given_samples = taken = 0
    for count in blocks:
        left = SOUND[: count * CELL // 2].astype(np.float32).reshape(count, -1)
        signs = np.where(opposed[:count], -1, 1).astype(np.float32)[:, None]
        taken += left.size
        given_samples += sum(map(len, mixing.push(np.stack([left, signs * left]))))
        assert taken - given_samples <= 10 * left.shape[1]
    assert given_samples + sum(map(len, mixing.flush())) == taken
