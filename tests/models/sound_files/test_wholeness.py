"""A file that lost its end is told from one that is whole, and from one that cannot say."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sound_files.wholeness import Wholeness, mpeg_frame_bytes, wholeness
from tests.media import RECIPES, sound_file

_SAYS_NOTHING = {"mp3 without xing", "flac", "aac", "webm live"}


def judged(data: bytes) -> Wholeness:
    return wholeness(io.BytesIO(data))


@pytest.mark.parametrize("name", RECIPES)
def test_a_whole_file_is_never_called_cut(name: str) -> None:
    expected = Wholeness.UNKNOWN if name in _SAYS_NOTHING else Wholeness.WHOLE
    assert judged(sound_file(RECIPES[name], 0.5)) is expected


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in _SAYS_NOTHING])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_file_is_called_cut(name: str, share: float) -> None:
    data = sound_file(RECIPES[name], 2.0)
    assert judged(data[: int(len(data) * share)]) is Wholeness.CUT


@pytest.mark.parametrize(("size", "expected"), [(0, Wholeness.UNKNOWN), (0xFFFF_FFFF, Wholeness.UNKNOWN)])
def test_a_placeholder_says_nothing(size: int, expected: Wholeness) -> None:
    data = bytearray(sound_file(RECIPES["wav 16 bit"], 0.2))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    assert judged(bytes(data)) is expected


def test_a_size_that_is_wrong_by_a_header_is_no_cut() -> None:
    data = bytearray(sound_file(RECIPES["wav 16 bit"], 0.2))
    at = data.index(b"data") + 4
    (size,) = struct.unpack_from("<I", data, at)
    data[at : at + 4] = struct.pack("<I", size + 44)
    assert judged(bytes(data)) is Wholeness.WHOLE


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ("fffb9000", 417),  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz
        ("fffb9200", 418),  # the same, padded
        ("fff38000", 208),  # MPEG-2 layer III, 64 kbit/s, 22.05 kHz
        ("fffd9400", 480),  # MPEG-1 layer II, 160 kbit/s, 48 kHz
        ("ff000000", None),
        ("fffbf000", None),  # a bit rate that is not allowed
        ("fffb0000", None),  # free format
        ("fffb9c00", None),  # a reserved rate
        ("ffeb9000", None),  # a reserved version
        ("fff99000", None),  # a reserved layer
        ("fffb", None),
    ],
)
def test_frame_lengths(header: str, length: int | None) -> None:
    assert mpeg_frame_bytes(bytes.fromhex(header)) == length


_BEGINNINGS = [b"", b"RIFF\0\0\0\0WAVE", b"FORM\0\0\0\0AIFF", b"\0\0\0\x20ftyp", b"\x1a\x45\xdf\xa3", b"OggS", b"ID3"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_BEGINNINGS), st.binary(max_size=300))
def test_any_bytes_get_an_answer(beginning: bytes, rest: bytes) -> None:
    assert judged(beginning + rest) in Wholeness
