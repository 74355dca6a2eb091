"""Every format comes out right, cut files say so, and no bytes whatever raise anything but our errors."""

from __future__ import annotations

import io
import struct
import tempfile
from functools import cache
from typing import IO, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from service.errors import AudioTooLong, ClientGone, NoAudioStream, RequestError, UndecodableAudio, UnsupportedMedia
from service.speech.decode import AudioLimits, Decoded, decode
from tests.media import (
    RECIPES,
    TABLE_IN_FRONT,
    Recipe,
    film_with_sound,
    silent_film,
    sound_file,
    tone,
    write,
)

LIMITS = AudioLimits(max_audio_s=60.0)
# What codecs add at the ends: AAC's and MP2's last frame, at most 1,024 samples at the lowest rate used here, twice.
PADDING_S = 0.1


def heard(source: bytes | IO[bytes], limits: AudioLimits = LIMITS) -> tuple[Samples, Decoded]:
    decoding = decode(source, limits)
    blocks = list(decoding)
    assert all(block.dtype == np.float32 and block.ndim == 1 and len(block) for block in blocks)
    return np.concatenate(blocks), decoding.result


def pitch_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SPEECH_RATE_HZ / len(samples))


@cache
def made(name: str) -> bytes:
    return sound_file(RECIPES[name], 0.6)


@pytest.mark.parametrize("name", RECIPES)
def test_every_format_keeps_pitch_length_and_level(name: str) -> None:
    samples, result = heard(made(name))
    assert result.duration_s == pytest.approx(0.6, abs=PADDING_S)
    assert len(samples) == round(result.duration_s * SPEECH_RATE_HZ)
    assert pitch_hz(samples) == pytest.approx(440, abs=4)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / 2**0.5, rel=0.1)
    assert not result.truncated
    assert result.sample_rate_hz == RECIPES[name].rate_hz


# The table of these stands at the end, or nothing in them tells where the end should be.
_OTHERS = {"m4a", "m4a 7.1", "m4a alac", "webm live"}
_RECOVERABLE = [name for name in RECIPES if name not in _OTHERS]


@pytest.mark.parametrize("name", _RECOVERABLE)
def test_a_cut_file_gives_what_is_there_and_says_so(name: str) -> None:
    whole = sound_file(RECIPES[name], 4.0)
    samples, result = heard(whole[: len(whole) * 7 // 10])
    assert result.truncated
    assert 0.5 < result.duration_s < 3.5
    assert pitch_hz(samples) == pytest.approx(440, abs=4)


def test_an_mp4_cut_before_its_table_is_undecodable() -> None:
    whole = made("m4a")
    with pytest.raises(UndecodableAudio, match="send the file again"):
        heard(whole[: len(whole) // 2])


@pytest.mark.parametrize("claimed", [0xFFFF_FFFF, 4_000_000_000, 0])
def test_a_wav_header_that_lies_is_not_believed(claimed: int) -> None:
    data = made("wav 16 bit")
    at = data.index(b"data") + 4
    _, result = heard(data[:at] + struct.pack("<I", claimed) + data[at + 4 :])
    assert result.duration_s == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("name", ["wav 16 bit", "wav float"])
def test_a_header_without_sound_is_empty_audio(name: str) -> None:
    data = made(name)
    at = data.index(b"data")
    with pytest.raises(UndecodableAudio, match="no audio"):
        heard(data[: at + 4] + bytes(4))


def test_an_empty_body_is_no_audio_file() -> None:
    with pytest.raises(UnsupportedMedia):
        heard(b"")


def test_a_stretch_without_timestamps_becomes_silence() -> None:
    recipe = RECIPES["webm"]
    data = write(recipe, tone(2.0, recipe.rate_hz), gap_at=recipe.rate_hz, gap_s=1.5)
    samples, result = heard(data)
    assert result.duration_s == pytest.approx(3.5, abs=PADDING_S)
    assert np.abs(samples[int(1.3 * SPEECH_RATE_HZ) : int(2.2 * SPEECH_RATE_HZ)]).max() < 0.01
    assert np.abs(samples[int(2.7 * SPEECH_RATE_HZ) :]).max() > 0.2


def test_a_timestamp_that_leaps_by_hours_is_not_believed() -> None:
    recipe = RECIPES["webm live"]
    _, result = heard(write(recipe, tone(2.0, recipe.rate_hz), gap_at=recipe.rate_hz, gap_s=9_000.0))
    assert result.duration_s == pytest.approx(2.0, abs=PADDING_S)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_sound_that_sets_in_late_keeps_the_films_time(container: str) -> None:
    samples, _ = heard(film_with_sound(container, sound_from_s=0.8))
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    assert loud[0] / SPEECH_RATE_HZ == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_film_without_sound_is_told_apart(container: str) -> None:
    with pytest.raises(NoAudioStream):
        heard(silent_film(container))


def test_promised_length_is_refused_before_decoding() -> None:
    data = sound_file(RECIPES["wav mu-law 8 kHz"], 20.0)
    with pytest.raises(AudioTooLong, match="10 s"):
        next(iter(decode(data, AudioLimits(max_audio_s=10.0))))


def test_a_length_that_nothing_promises_is_refused_while_decoding() -> None:
    data = sound_file(RECIPES["webm live"], 20.0)
    given_s = 0.0
    with pytest.raises(AudioTooLong):
        for block in decode(data, AudioLimits(max_audio_s=10.0)):
            given_s += len(block) / SPEECH_RATE_HZ
    assert 5.0 < given_s <= 10.0


def test_a_gap_counts_towards_the_limit() -> None:
    recipe = RECIPES["webm live"]
    data = write(recipe, tone(2.0, recipe.rate_hz), gap_at=recipe.rate_hz, gap_s=100.0)
    with pytest.raises(AudioTooLong):
        heard(data)


def test_blocks_are_small_and_come_before_the_file_is_read() -> None:
    file = io.BytesIO(sound_file(RECIPES["wav mu-law 8 kHz"], 50.0))
    blocks = iter(decode(file, LIMITS))
    first = next(blocks)
    assert len(first) <= 2 * SPEECH_RATE_HZ
    assert file.tell() < len(file.getvalue()) // 2
    assert max(map(len, blocks)) <= 2 * SPEECH_RATE_HZ


def test_it_stops_between_packets_when_told_to() -> None:
    asked: list[None] = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(ClientGone):
        list(decode(sound_file(RECIPES["mp3"], 5.0), LIMITS, should_stop))
    assert len(asked) == 4


def test_the_result_is_not_known_before_the_end() -> None:
    decoding = decode(made("flac"), LIMITS)
    with pytest.raises(RuntimeError):
        _ = decoding.result


def test_a_file_and_its_bytes_decode_alike() -> None:
    data = made("ogg opus")
    np.testing.assert_array_equal(heard(data)[0], heard(io.BytesIO(data))[0])


@pytest.mark.parametrize("kept_in_memory", [0, 1 << 30])
def test_an_upload_that_is_spooled_decodes(kept_in_memory: int) -> None:
    with tempfile.SpooledTemporaryFile(max_size=kept_in_memory or 1) as file:
        file.write(made("m4a"))
        np.testing.assert_array_equal(heard(file)[0], heard(made("m4a"))[0])


def test_encoder_delay_is_cut_off() -> None:
    recipe = RECIPES["mp3"]
    samples = np.zeros(recipe.rate_hz, np.float32)
    samples[recipe.rate_hz // 2 :] = tone(0.5, recipe.rate_hz)
    decoded, result = heard(write(recipe, samples))
    onset = np.flatnonzero(np.abs(decoded) > 0.1)[0] / SPEECH_RATE_HZ
    assert onset == pytest.approx(0.5, abs=0.01)
    assert result.duration_s == pytest.approx(1.0, abs=0.002)


_HUGE = [struct.pack(">I", value) for value in (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)]
_MUTABLE = tuple(name for name in RECIPES if "96 kHz" not in name)


class Damage(NamedTuple):
    """One fault: bytes are put at a place (a share of the file's beginning), in place of some or of all behind."""

    reach: int
    share: float
    put: bytes
    dropped: int | None


damages = st.builds(
    Damage,
    st.sampled_from([100, 1_000, 1 << 20]),
    st.floats(0, 1),
    st.one_of(st.binary(max_size=2), st.sampled_from(_HUGE), st.binary(max_size=60)),
    st.one_of(st.integers(0, 4), st.integers(0, 60), st.none()),
)


def damaged(data: bytes, faults: list[Damage]) -> bytes:
    for reach, share, put, dropped in faults:
        at = int(share * min(reach, len(data)))
        data = data[:at] + put + (b"" if dropped is None else data[at + dropped :])
    return data


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_MUTABLE), st.lists(damages, min_size=1, max_size=8))
def test_damaged_files_give_sound_or_one_of_our_errors(name: str, faults: list[Damage]) -> None:
    try:
        samples, result = heard(damaged(made(name), faults))
    except RequestError:
        return
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
    assert 0 < result.duration_s <= LIMITS.max_audio_s + 1.0


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4_000))
@example(b"\xff\xfb\x90\x00" * 500)
@example(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f")
@example(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00")
def test_random_bytes_give_one_of_our_errors_or_sound(data: bytes) -> None:
    try:
        heard(data)
    except RequestError:
        return


def test_a_table_that_lies_about_its_length_claims_no_memory() -> None:
    """170 million samples in a file of some kilobytes would fill gigabytes of index."""
    data = bytearray(sound_file(Recipe("mp4", "aac", options=TABLE_IN_FRONT), 1.0))
    samples = 80_000_000
    sizes, chunks, times = (data.index(name) for name in (b"stsz", b"stsc", b"stts"))
    data[sizes + 8 : sizes + 16] = struct.pack(">II", 1_000, samples)
    data[chunks + 16 : chunks + 20] = struct.pack(">I", samples)
    data[times + 12 : times + 20] = struct.pack(">II", samples, 1_024)
    with pytest.raises(RequestError):
        heard(bytes(data))
