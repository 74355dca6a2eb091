"""Whether a JPEG is kept as coefficients, judged by its markers."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from models.image_files.jpeg import coefficient_bytes
from models.image_files.unread import UnreadKind
from tests.pictures import encoded


def jpeg(mode: str = "RGB", size: tuple[int, int] = (160, 96), **options: object) -> bytes:
    return encoded(Image.new(mode, size), "JPEG", **options)


def kept(data: bytes) -> int:
    return coefficient_bytes(io.BytesIO(data))


def test_one_scan_keeps_none() -> None:
    assert kept(jpeg()) == kept(jpeg("L")) == kept(jpeg("CMYK")) == 0


def test_progressive_ones_are_kept_whole() -> None:
    pixels = 160 * 96
    assert kept(jpeg("L", progressive=True)) == 2 * pixels
    assert kept(jpeg(progressive=True, subsampling=0)) == 6 * pixels
    assert kept(jpeg(progressive=True, subsampling=2)) == 3 * pixels
    assert kept(jpeg("CMYK", progressive=True, subsampling=0)) == 8 * pixels


def test_narrow_ones_are_kept_as_whole_blocks() -> None:
    assert kept(jpeg(size=(1, 1600), progressive=True, subsampling=2)) == 3 * 16 * 1600


def test_a_baseline_one_with_each_channel_by_itself_is_kept() -> None:
    data = jpeg(subsampling=0)
    at = data.index(b"\xff\xda")
    assert kept(data[:at] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + data[at + 14 :]) == 6 * 160 * 96


def test_what_lies_between_segments_does_not_matter() -> None:
    data = jpeg("L", progressive=True)
    padded = data[:2] + bytes(9_000) + b"\xff" * 9_000 + data[3:]
    assert kept(padded) == kept(data)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 20, 100])
def test_one_that_ends_in_its_header_keeps_none(length: int) -> None:
    assert kept(jpeg(progressive=True)[:length]) == 0


def test_segments_without_end_are_refused() -> None:
    comments = b"\xff\xfe" + struct.pack(">H", 2)
    with pytest.raises(UnreadKind, match="segments"):
        kept(jpeg()[:2] + comments * 70_000 + jpeg()[2:])
