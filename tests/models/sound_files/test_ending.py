"""A recording is called cut only where sound is missing: what lies behind its end is none."""

from __future__ import annotations

import io
import struct
from functools import cache

import numpy as np
import pytest

from models.sound_files.decoding import Decoded, Decoding
from tests.media import RECIPES, TABLE_IN_FRONT, Recipe, sound_file
from tests.models.sound_files.waves import PCM, plain, riff, samples

_VARIABLE = {"global_quality": "472", "flags": "+qscale"}
MADE = {
    **RECIPES,
    "mp4 with its sound to the end": Recipe("mp4", "aac", options=TABLE_IN_FRONT),
    "mp3 of a variable rate": Recipe(
        "mp3", "libmp3lame", codec_options={"global_quality": "472", "flags": "+qscale"}
    ),
    "au": Recipe("au", "pcm_s16be"),
    "w64": Recipe("w64", "pcm_s16le"),
    "adpcm": Recipe("wav", "adpcm_ima_wav"),
}
BEHIND = {
    "a line feed": b"\n",
    "a line end": b"\r\n",
    "a zero": b"\0",
    "zeros": bytes(4_096),
    "many zeros": bytes(300_000),
    "ID3v1": b"TAG" + b"A title".ljust(124, b"\0") + b"\x0c",
    "APE": b"APETAGEX" + struct.pack("<IIII8x", 2_000, 32, 0, 0xA000_0000),
    "a boundary": b"\r\n--boundary--\r\n",
    "noise": np.random.default_rng(0).bytes(5_000),
}


@cache
def made(name: str) -> bytes:
    data = sound_file(MADE[name], 2.0)
    if name == "mp4 with its sound to the end":
        at = data.index(b"mdat") - 4
        data = data[:at] + bytes(4) + data[at + 4 :]
    return data


def heard(data: bytes) -> Decoded:
    decoding = Decoding(io.BytesIO(data), 60.0)
    for _ in decoding:
        pass
    return decoding.result


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("name", [name for name in MADE if ".1" not in name])
def test_what_lies_behind_the_end_is_nothing_that_is_missing(name: str, behind: str) -> None:
    found = heard(made(name) + BEHIND[behind])
    assert not found.truncated
    if name != "au":  # libav reads such a file to its end, whatever it says of its length
        assert found.duration_s == pytest.approx(heard(made(name)).duration_s, abs=0.1)


_TABLE_BEHIND = {"m4a", "m4a 7.1", "m4a alac"}
_SAYS_NOTHING = {"webm live"}


@pytest.mark.parametrize("share", [0.97, 0.7])
@pytest.mark.parametrize("name", [name for name in MADE if name not in _TABLE_BEHIND | _SAYS_NOTHING])
def test_what_is_cut_says_so(name: str, share: float) -> None:
    assert heard(made(name)[: int(len(made(name)) * share)]).truncated


@pytest.mark.parametrize("behind", ["a line feed", "zeros"])
@pytest.mark.parametrize("name", ["wav 16 bit", "mp4 table in front", "au", "caf", "mp4 with its sound to the end"])
def test_what_is_cut_and_padded_says_so_where_more_is_missing_than_was_added(name: str, behind: str) -> None:
    assert heard(made(name)[: len(made(name)) // 2] + BEHIND[behind]).truncated


def test_a_table_of_64_bits_is_read() -> None:
    data = made("m4a")
    at = data.index(b"mdat") - 4
    free = data.index(b"free") - 4  # written before the sound, to make room for this
    length = int.from_bytes(data[at : at + 4], "big")
    wide = data[:free] + struct.pack(">I4sQ", 1, b"mdat", length + 8) + data[at + 8 :]
    assert not heard(wide).truncated
    assert not heard(wide + b"\n").truncated


def test_a_count_of_bytes_with_a_tag_that_was_taken_away_is_no_cut() -> None:
    data = made("mp3 of a variable rate")
    at = data.index(b"Xing") + 12
    (size,) = struct.unpack_from(">I", data, at)
    assert not heard(data[:at] + struct.pack(">I", size + 5_000) + data[at + 4 :]).truncated


@pytest.mark.parametrize("size", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_cut_sample_of_a_stream_is_no_cut(size: int) -> None:
    data = riff(plain(PCM, 2, 24), samples(np.zeros((8_000, 2)), 24), size=size)
    assert not heard(data[:-3]).truncated


@pytest.mark.parametrize("behind", BEHIND)
def test_where_a_damaged_length_leads_nobody_falls(behind: str) -> None:
    """Numbers read out of what lies behind the end lead before the beginning of the file."""
    for name in ("caf", "w64", "aiff"):
        heard(made(name) + 40 * BEHIND[behind][:400])
