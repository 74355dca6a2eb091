"""Any rate becomes 16 kHz, however the samples are divided."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sound_files.resample import SPEECH_RATE_HZ, Samples, SpeechResampler
from tests.media import tone


def resampled(pieces: list[Samples], rate_hz: int) -> Samples:
    resampler = SpeechResampler()
    blocks = [block for piece in pieces for block in resampler.push(piece, rate_hz)]
    return np.concatenate([np.zeros(0, np.float32), *blocks, *resampler.flush()])


@pytest.mark.parametrize("rate_hz", [2_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_a_tone_stays_the_tone(rate_hz: int) -> None:
    heard = resampled([tone(2.5, rate_hz)], rate_hz)
    expected = tone(2.5, SPEECH_RATE_HZ)
    assert len(heard) == pytest.approx(len(expected), abs=SPEECH_RATE_HZ // rate_hz + 1)
    inner = slice(2_000, -2_000)
    count = min(len(heard), len(expected))
    np.testing.assert_allclose(heard[:count][inner], expected[:count][inner], atol=2e-3)


def test_what_cannot_be_heard_at_16_khz_is_gone_and_not_folded_back() -> None:
    assert np.abs(resampled([tone(1.0, 48_000, 12_000.0)], 48_000)[500:-500]).max() < 1e-3


def test_blocks_come_about_once_a_second() -> None:
    resampler = SpeechResampler()
    blocks = [len(list(resampler.push(piece, 48_000))) for piece in np.split(tone(3.0, 48_000), 150)]
    assert sum(blocks) == 3


def test_the_rate_may_change_on_the_way() -> None:
    resampler = SpeechResampler()
    blocks = [
        *resampler.push(tone(0.5, 8_000), 8_000),
        *resampler.push(tone(0.5, 48_000), 48_000),
        *resampler.flush(),
    ]
    assert sum(map(len, blocks)) == pytest.approx(SPEECH_RATE_HZ, abs=4)


def test_full_scale_edges_stay_within_range() -> None:
    square = np.sign(tone(1.0, 44_100, 1_000.0)).astype(np.float32)
    assert np.abs(resampled([square], 44_100)).max() == 1.0


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([8_000, 16_000, 44_100]), st.lists(st.integers(0, 70_000), max_size=6))
def test_the_division_into_pieces_does_not_matter(rate_hz: int, cuts: list[int]) -> None:
    whole = np.random.default_rng(0).uniform(-0.5, 0.5, 70_000).astype(np.float32)
    divided = resampled(np.split(whole, sorted(cuts)), rate_hz)
    np.testing.assert_allclose(divided, resampled([whole], rate_hz), atol=1e-5)
