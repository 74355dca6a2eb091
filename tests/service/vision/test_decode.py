"""Files of pictures: read, or refused by one of three errors."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.manifest import ImagePreprocessing
from service.errors import ImageTooLarge, UndecodableImage, UnsupportedMedia
from service.vision.decode import PictureDecoder

SPEC = ImagePreprocessing(resize_px=36, crop_px=32)
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def drawn(kind: str, size: tuple[int, int] = (60, 40)) -> bytes:
    """A small picture as a file."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


FILES = {kind: drawn(kind) for kind in KINDS}
DECODER = PictureDecoder(max_pixels=10_000)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_read_by_its_bytes(kind: str) -> None:
    picture = DECODER.decode(FILES[kind], SPEC)
    assert (picture.width, picture.height, picture.format) == (60, 40, kind)
    assert picture.pixels.shape == (32, 32, 3)
    assert picture.pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_file_is_undecodable(kind: str) -> None:
    data = FILES[kind]
    with pytest.raises(UndecodableImage):
        DECODER.decode(data[: len(data) // 2], SPEC)


@pytest.mark.parametrize("data", [b"", b"\xff", b"text", b"%PDF-1.7 ...", b"P6 4 4 255\n" + bytes(48), b"<svg/>"])
def test_other_bytes_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="JPEG, PNG"):
        DECODER.decode(data, SPEC)


def test_pixels_are_counted_before_they_are_decoded() -> None:
    assert DECODER.decode(drawn("PNG", (100, 100)), SPEC).width == 100
    with pytest.raises(ImageTooLarge, match="101 × 100 pixels and at most 10000"):
        DECODER.decode(drawn("PNG", (101, 100)), SPEC)


def _with_exif(kind: str, exif: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(buffer, kind, exif=exif)
    return buffer.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    return exif.tobytes()


def test_an_exif_block_that_ends_in_its_header_does_not_matter() -> None:
    picture = DECODER.decode(_with_exif("PNG", b"Exif\0\0MM\0*"), SPEC)
    assert (picture.width, picture.height) == (60, 40)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of what is damaged here on purpose
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    flips=st.lists(st.tuples(st.integers(6), st.integers(0, 255)), max_size=5),
    length=st.integers(6, 200),
)
def test_a_damaged_exif_block_is_no_reason_to_refuse_a_good_picture(
    kind: str, flips: list[tuple[int, int]], length: int
) -> None:
    exif = bytearray(_exif()[:length])
    for place, value in flips:
        exif[place % len(exif)] = value
    exif[:6] = b"Exif\0\0"
    picture = DECODER.decode(_with_exif(kind, bytes(exif)), SPEC)
    assert sorted((picture.width, picture.height)) == [40, 60]


@settings(max_examples=300)
@given(
    kind=st.sampled_from(KINDS),
    flips=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 400),
)
def test_damaged_files_never_raise_anything_else(kind: str, flips: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(FILES[kind])
    for place, value in flips:
        data[place % len(data)] = value
    damaged = bytes(data[: len(data) - cut] if cut < len(data) else data)
    try:
        assert DECODER.decode(damaged, SPEC).pixels.shape == (32, 32, 3)
    except (UnsupportedMedia, ImageTooLarge, UndecodableImage) as error:
        assert error.detail


def test_a_picture_lies_as_a_viewer_sees_it() -> None:
    picture = DECODER.decode(_with_exif("JPEG", _exif()), SPEC)
    assert (picture.width, picture.height) == (40, 60)


def test_a_multi_picture_jpeg_is_a_jpeg() -> None:
    buffer = io.BytesIO()
    plain = Image.new("RGB", (60, 40), "teal")
    plain.save(buffer, "MPO", save_all=True, append_images=[plain])
    assert DECODER.decode(buffer.getvalue(), SPEC).format == "JPEG"


def test_a_header_that_promises_far_too_much_is_refused_in_our_words() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data += struct.pack(">I", 4) + b"IDAT" + bytes(4) + struct.pack(">I", zlib.crc32(b"IDAT" + bytes(4)))
    with pytest.raises(ImageTooLarge, match="50000 × 50000"):
        DECODER.decode(data, SPEC)
