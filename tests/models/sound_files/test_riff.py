"""WAV files of every kind hold the sound that was put in."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.sound_files.decoding import Decoding
from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from models.sound_files.riff import read_wave
from models.sound_files.unread import UnknownSound, UnreadSound
from tests.media import RECIPES, Recipe, write
from tests.models.sound_files.waves import FLOAT, PCM, chunk, extensible, murmur, plain, riff, samples

SOUND = murmur()


def heard(data: bytes) -> Samples:
    decoding = Decoding(io.BytesIO(data), 60.0)
    found = np.concatenate(list(decoding))
    assert not decoding.result.truncated
    return found


def assert_holds(data: bytes, sound: NDArray[np.float64] = SOUND, step: float = 2.0**-15) -> None:
    found = heard(data)
    assert len(found) == len(sound)
    np.testing.assert_allclose(found, sound, atol=2 * step)


@pytest.mark.parametrize("is_extensible", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_whole_numbers_of_either_order(order: str, bits: int, is_extensible: bool) -> None:
    form = extensible(PCM, 1, bits, bits, 4, order) if is_extensible else plain(PCM, 1, bits, order)
    assert_holds(riff(form, samples(SOUND, bits, order), order=order), step=2.0 ** (1 - min(bits, 16)))


@pytest.mark.parametrize("is_extensible", [False, True])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_of_either_order(order: str, bits: int, is_extensible: bool) -> None:
    form = extensible(FLOAT, 1, bits, bits, 4, order) if is_extensible else plain(FLOAT, 1, bits, order)
    assert_holds(riff(form, SOUND.astype(f"{order}f{bits // 8}").tobytes(), order=order))


@pytest.mark.parametrize(("bits", "valid"), [(32, 24), (32, 20), (24, 20), (16, 12)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_valid_bits_are_the_highest_of_a_sample(order: str, bits: int, valid: int) -> None:
    data = samples(SOUND, bits, order, valid)
    assert_holds(riff(extensible(PCM, 1, bits, valid, 4, order), data, order=order), step=2.0 ** (1 - min(valid, 16)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_places_in_the_room_are_kept(order: str) -> None:
    """5.1: the centre carries the speech, and the low-frequency channel is left out."""
    channels = np.zeros((len(SOUND), 6))
    channels[:, 2], channels[:, 3] = SOUND, murmur(seed=1)
    found = heard(riff(extensible(PCM, 6, 16, 16, 0x3F, order), samples(channels, 16, order), order=order))
    assert np.corrcoef(found, SOUND)[0, 1] > 0.999


_BEFORE = {
    "an empty list": [b"LIST\0\0\0\0"],
    "a list that claims to be empty": [b"LIST\0\0\0\0INFOISFT\x0e\0\0\0Lavf58.29.100\0"],
    "junk": [chunk(b"JUNK", bytes(5_000))],
    "a broadcast's description": [chunk(b"bext", bytes(602)), chunk(b"fact", struct.pack("<I", 12))],
    "an odd chunk": [chunk(b"note", b"abc")],
    "an odd chunk without padding": [b"note\x03\0\0\0abc"],
}


@pytest.mark.parametrize("name", _BEFORE)
def test_other_chunks_are_passed_over(name: str) -> None:
    assert_holds(riff(plain(PCM, 1, 16), samples(SOUND, 16), before=_BEFORE[name]))


@pytest.mark.parametrize("behind", [b"", b"\n"])
@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FF00, 0xFFFF_FFFF])
def test_a_size_that_was_not_known_is_no_size(size: int, behind: bytes) -> None:
    assert_holds(riff(plain(PCM, 1, 16), samples(SOUND, 16), size=size, behind=behind))


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_sizes_of_64_bits_stand_before_the_rest(name: bytes) -> None:
    data = samples(SOUND, 16)
    sizes = chunk(b"ds64", struct.pack("<QQQI", len(data) + 80, len(data), len(SOUND), 0))
    body = b"WAVE" + sizes + chunk(b"fmt ", plain(PCM, 1, 16)) + b"data\xff\xff\xff\xff" + data
    assert_holds(name + b"\xff\xff\xff\xff" + body + chunk(b"LIST", b"INFO" * 100))


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "g722"])
@pytest.mark.parametrize("kind", [".wav"])
def test_compressed_sound_is_heard(codec: str, kind: str) -> None:
    found = heard(write(Recipe(kind[1:], codec, SPEECH_RATE_HZ), SOUND.astype(np.float32)))
    loudest = max(abs(np.corrcoef(found[lag : lag + 20_000], SOUND[:20_000])[0, 1]) for lag in range(30))
    assert loudest > 0.97


@pytest.mark.parametrize("tag", [0x0064, 0x0065])
def test_g722_has_several_numbers(tag: int) -> None:
    data = write(Recipe("wav", "g722", SPEECH_RATE_HZ), SOUND.astype(np.float32))
    at = data.index(b"fmt ") + 8
    np.testing.assert_array_equal(heard(data[:at] + struct.pack("<H", tag) + data[at + 2 :]), heard(data))


@pytest.mark.parametrize("tag", [6, 7])
def test_logarithmic_samples_have_no_order(tag: int) -> None:
    coded = np.random.default_rng(0).integers(0, 256, 20_000, np.uint8).tobytes()
    big = riff(plain(tag, 1, 8, ">"), coded, order=">")
    np.testing.assert_array_equal(heard(big), heard(riff(plain(tag, 1, 8), coded)))


def test_a_big_endian_file_of_another_coding_is_refused_by_name() -> None:
    with pytest.raises(UnknownSound, match="RIFX of coding 0x0011"):
        heard(riff(plain(0x11, 1, 4, ">"), bytes(2_000), order=">"))


def test_what_is_no_wave_has_no_parts() -> None:
    assert read_wave(io.BytesIO(write(RECIPES["aiff"], SOUND.astype(np.float32)))) is None
    assert read_wave(io.BytesIO(b"")) is None


@settings(max_examples=300, deadline=None)
@example(b"RIFF", b"\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x02", 11, 11)  # more bytes a second than can be written
@given(st.sampled_from([b"RIFF", b"RIFX", b"RF64"]), st.binary(max_size=120), st.integers(0, 100), st.integers(0, 20))
def test_any_header_gives_sound_or_one_of_our_errors(name: bytes, put: bytes, at: int, dropped: int) -> None:
    whole = riff(extensible(PCM, 2, 16, 16, 3), samples(SOUND[:2_000], 16), order="<" if name != b"RIFX" else ">")
    data = name + whole[4 : 12 + at] + put + whole[12 + at + dropped :]
    try:
        list(Decoding(io.BytesIO(data), 60.0))
    except UnreadSound:
        return
