"""What files leave half said is understood as programs mean it, and kinds that are not read are named."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from models.image_files.opened import Upright, open_image
from models.image_files.unread import UnreadKind, why_unread
from models.manifest import ImagePreprocessing

SIDE = 24
SPEC = ImagePreprocessing(resize_px=SIDE, crop_px=SIDE)
_RGB = 0x00FF0000, 0x0000FF00, 0x000000FF


def read(data: bytes) -> Upright:
    with open_image(io.BytesIO(data)) as image:
        return image.square(SPEC)


def colours() -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, SIDE), np.linspace(0, 255, SIDE))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bmp(bits: int, compression: int, masks: tuple[int, ...], pixels: bytes, size: int = 124) -> bytes:
    """A bottom-up BMP of SIDE × SIDE with a header of `size` bytes (40 is version 3, 108 is 4, 124 is 5)."""
    header = struct.pack("<IiiHHIIiiII", size, SIDE, SIDE, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    fields = struct.pack(f"<{len(masks)}I", *masks)
    header += fields if size == 40 else fields.ljust(size - 40, b"\0")
    offset = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + pixels


def bgra(alpha: int | NDArray[np.uint8]) -> bytes:
    rows = np.zeros((SIDE, SIDE, 4), np.uint8)
    rows[..., :3] = np.asarray(colours())[::-1, :, ::-1]
    rows[..., 3] = alpha
    return rows.tobytes()


@pytest.mark.parametrize("size", [56, 108, 124])
@pytest.mark.parametrize("compression", [0, 3], ids=["plain", "bit fields"])
@pytest.mark.parametrize("alpha", [0, 255])
def test_a_bmp_without_alpha_is_opaque_whatever_stands_in_its_fourth_byte(
    size: int, compression: int, alpha: int
) -> None:
    data = bmp(32, compression, (*_RGB, 0xFF000000), bgra(alpha), size)
    np.testing.assert_array_equal(read(data).pixels, np.asarray(colours()))


@pytest.mark.parametrize("masks", [_RGB, (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)], ids=["888", "555", "565"])
def test_bit_fields_without_alpha_are_read(masks: tuple[int, int, int]) -> None:
    bits = 32 if masks == _RGB else 16
    values = np.zeros((SIDE, SIDE), np.uint32)
    for channel, mask in enumerate(masks):
        low = (mask & -mask).bit_length() - 1
        values |= (np.asarray(colours())[::-1, :, channel].astype(np.uint32) * (mask >> low) // 255) << low
    got = read(bmp(bits, 3, masks, values.astype(f"<u{bits // 8}").tobytes(), 40)).pixels
    np.testing.assert_allclose(got.astype(int), np.asarray(colours()), atol=9)


def test_a_bmp_with_real_alpha_lies_over_white() -> None:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[: SIDE // 2] = 255  # stored first, shown last
    got = read(bmp(32, 3, (*_RGB, 0xFF000000), bgra(alpha))).pixels
    assert got[: SIDE // 2].min() == 255
    np.testing.assert_array_equal(got[SIDE // 2 :], np.asarray(colours())[SIDE // 2 :])


@pytest.mark.parametrize("is_transparent", [False, True])
def test_a_frame_smaller_than_its_canvas_lies_on_white(is_transparent: bool) -> None:
    frame = Image.new("P", (SIDE, SIDE), 1)
    frame.putpalette([0, 0, 0, 200, 30, 40] + [0] * 750)
    data = bytearray(saved(frame, "GIF", **({"transparency": 0} if is_transparent else {})))
    data[6:10] = struct.pack("<HH", SIDE, 3 * SIDE)  # the canvas
    at = data.index(b"\x2c\0\0\0\0")
    data[at + 3 : at + 5] = struct.pack("<H", SIDE)  # the frame lies in its middle third
    with open_image(io.BytesIO(bytes(data))) as image:
        tall = image.square(ImagePreprocessing(resize_px=SIDE, crop_px=SIDE))
    assert (tall.width, tall.height) == (SIDE, 3 * SIDE)
    assert np.unique(tall.pixels.reshape(-1, 3), axis=0).tolist() == [[200, 30, 40]]
    data[6:10] = struct.pack("<HH", 2 * SIDE, SIDE)
    data[at + 1 : at + 5] = struct.pack("<HH", SIDE, 0)  # now it is the right half, and a quarter of the square
    right = read(bytes(data)).pixels
    assert right[:, : SIDE // 2 - 2].min() == 255
    assert right[:, SIDE // 2 + 2 :, 1].max() < 60


def test_the_first_frame_is_taken() -> None:
    others = [Image.new("RGB", (SIDE, SIDE), "red")] * 2
    for kind in ("GIF", "WEBP", "PNG", "AVIF", "TIFF"):
        data = saved(colours(), kind, save_all=True, append_images=others)
        np.testing.assert_allclose(read(data).pixels.astype(int), np.asarray(colours()), atol=60)
        assert read(data).pixels[..., 1].max() > 200


def test_broken_pixels_are_not_taken_for_a_black_image() -> None:
    """Pillow decodes a PNG when it is asked for EXIF, and once it failed it gives what it has."""
    data = bytearray(saved(colours(), "PNG"))
    at = data.index(b"IDAT") + 4
    data[at] ^= 0xFF
    with pytest.raises((OSError, SyntaxError)):
        read(bytes(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bmp(16, 3, (0xF00, 0xF0, 0xF, 0xF000), bytes(2 * SIDE * SIDE)), "16 bits a pixel, stored as bit fields"),
        (bmp(0, 5, (), saved(colours(), "PNG"), 40), "stored as PNG"),
        (bmp(64, 0, (), bytes(8 * SIDE * SIDE), 40), "64 bits a pixel"),
        (bmp(32, 6, (*_RGB, 0xFF000000), bgra(9), 40), "alpha bit fields"),
    ],
    ids=["4444", "PNG inside", "64 bits", "alpha bit fields"],
)
def test_a_bmp_that_is_not_read_is_named(data: bytes, words: str) -> None:
    with pytest.raises(UnreadKind, match=words):
        read(data)


@pytest.mark.parametrize(
    ("marker", "bits", "channels", "words"),
    [
        (0xC3, 8, 3, "lossless"),
        (0xC5, 8, 3, "hierarchical"),
        (0xC1, 12, 3, "12 bits"),
        (0xC0, 8, 2, "2 channels"),
    ],
)
def test_a_jpeg_that_is_not_read_is_named(marker: int, bits: int, channels: int, words: str) -> None:
    data = bytearray(saved(colours(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4], data[at + 9] = marker, bits, channels
    with pytest.raises(UnreadKind, match=words):
        read(bytes(data))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of what is damaged here on purpose
def test_a_damaged_file_is_not_called_a_kind() -> None:
    for kind in ("JPEG", "BMP", "PNG", "TIFF", "GIF", "WEBP", "AVIF"):
        data = saved(colours().resize((200, 200)), kind)
        for length in (12, 40, len(data) // 2):
            with pytest.raises((OSError, ValueError, SyntaxError)):
                read(data[:length])
            assert why_unread(data[:length]) is None


def test_a_path_is_opened_and_closed(tmp_path: Path) -> None:
    file = tmp_path / "colours.webp"
    file.write_bytes(saved(colours(), "WEBP", lossless=True))
    with open_image(file) as image:
        assert image.format == "WEBP"
        np.testing.assert_array_equal(image.square(SPEC).pixels, np.asarray(colours()))
    file.write_text("no image")
    with pytest.raises(UnidentifiedImageError), open_image(file):
        pass


def test_only_the_formats_asked_for_are_opened() -> None:
    with pytest.raises(UnidentifiedImageError), open_image(io.BytesIO(saved(colours(), "PPM")), ("JPEG", "PNG")):
        pass
    assert read(saved(colours(), "PPM")).width == SIDE


_REPORTED = {
    "orient_tiff_2.tif": "00_base.png",
    "png_iccp_1.3MB.png": "00_base.png",
    "png_ztxt_1.2MB.png": "00_base.png",
    "png_text_bad_crc.png": "00_base.png",
    "bmp_v5_bitfields_alpha0.bmp": "00_base.png",
    "tiff_rgb16_planar.tif": "00_base.png",
    "png_trns_grey16.png": "ref_trns_grey_white.png",
}


@pytest.mark.skipif("PERCEPT_DATA" not in os.environ, reason="PERCEPT_DATA names no data")
@pytest.mark.parametrize("name", _REPORTED)
def test_files_that_people_reported_are_like_their_reference(name: str) -> None:
    folder = Path(os.environ["PERCEPT_DATA"]) / "bugs"
    spec = ImagePreprocessing(resize_px=150, crop_px=150)
    with open_image(folder / name) as image, open_image(folder / _REPORTED[name]) as reference:
        got, wanted = image.square(spec), reference.square(spec)
    assert (got.width, got.height) == (wanted.width, wanted.height)
    np.testing.assert_allclose(got.pixels.astype(int), wanted.pixels.astype(int), atol=1)
