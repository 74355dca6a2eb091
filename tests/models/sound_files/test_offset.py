"""An offset is taken away, however it lies and drifts; what has none keeps every bit."""

from __future__ import annotations

import io

import numpy as np
import pytest

from models.sound_files.decoding import Decoding
from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from tests.models.sound_files.waves import FLOAT, PCM, murmur, plain, riff, samples, wav16
from tests.service.speech.sounds import WORDLESS

SOUND = murmur(3.0)
TIMES = np.arange(len(SOUND)) / SPEECH_RATE_HZ


def heard(data: bytes) -> Samples:
    return np.concatenate(list(Decoding(io.BytesIO(data), 60.0)))


@pytest.mark.parametrize("offset", [0.01, 0.1, 0.5, -0.45])
def test_a_constant_offset(offset: float) -> None:
    np.testing.assert_allclose(heard(wav16(SOUND + offset)), SOUND, atol=0.02)
    assert abs(heard(wav16(SOUND + offset)).mean()) < 1e-3


def test_faint_sound_is_heard_over_a_large_offset() -> None:
    found = heard(wav16(SOUND / 50 + 0.7))
    assert np.corrcoef(found, SOUND)[0, 1] > 0.999
    assert np.abs(found).max() < 0.02


@pytest.mark.parametrize("offset", [1.5, 20.0])
def test_floats_may_lie_beyond_full_scale(offset: float) -> None:
    data = riff(plain(FLOAT, 1, 32), (SOUND + offset).astype("<f4").tobytes())
    np.testing.assert_allclose(heard(data), SOUND, atol=0.02)


def test_unsigned_bytes_have_one_too() -> None:
    found = heard(riff(plain(PCM, 1, 8), samples(SOUND / 2 + 0.4, 8)))
    assert np.corrcoef(found, SOUND)[0, 1] > 0.99
    assert abs(found.mean()) < 2e-3


def test_each_channel_has_its_own() -> None:
    found = heard(wav16(np.stack([SOUND / 2 + 0.3, SOUND / 2 - 0.5], axis=1)))
    np.testing.assert_allclose(found, SOUND / 2, atol=0.02)


def test_opposite_channels_under_offsets_give_one() -> None:
    found = heard(wav16(np.stack([SOUND / 2 + 0.3, 0.4 - SOUND / 2], axis=1)))
    assert abs(np.corrcoef(found, SOUND)[0, 1]) > 0.99


@pytest.mark.parametrize("period_s", [10.0, 60.0])
def test_it_may_drift(period_s: float) -> None:
    found = heard(wav16(SOUND / 2 + 0.4 * np.sin(2 * np.pi * TIMES / period_s)))
    assert np.corrcoef(found, SOUND)[0, 1] > 0.99
    assert np.abs(found).max() < 0.3


def test_it_may_set_in_late() -> None:
    found = heard(wav16(SOUND / 2 + np.where(TIMES < 1.0, 0, 0.3)))
    np.testing.assert_allclose(found[2 * SPEECH_RATE_HZ :], SOUND[2 * SPEECH_RATE_HZ :] / 2, atol=0.02)
    np.testing.assert_allclose(found[: SPEECH_RATE_HZ // 2], SOUND[: SPEECH_RATE_HZ // 2] / 2, atol=1e-4)


_WITHOUT = {
    "speech": SOUND,
    "a short word": SOUND[: SPEECH_RATE_HZ // 5],
    "a tenth of a second": SOUND[: SPEECH_RATE_HZ // 10],
    "deep hum": 0.5 * np.sin(2 * np.pi * 31 * TIMES),
    "rumble": 0.3 * np.sin(2 * np.pi * 3 * TIMES),
    "a little, as recorders have it": SOUND + 0.001,
    **{name: make().astype(np.float64) for name, make in WORDLESS.items()},
}


@pytest.mark.parametrize("name", _WITHOUT)
def test_what_has_none_keeps_every_bit(name: str) -> None:
    expected = np.rint(_WITHOUT[name] * 32767).astype(np.int16) / np.float32(32768)
    np.testing.assert_array_equal(heard(wav16(_WITHOUT[name])), expected.astype(np.float32))
