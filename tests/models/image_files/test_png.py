"""What is no part of the pixels of a PNG does not matter, and its transparent colour is compared in full."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from models.image_files import png as reader
from models.image_files.opened import Upright, open_image
from models.image_files.unread import UnreadKind
from models.manifest import ImagePreprocessing
from tests.bombs import squeezed
from tests.pngs import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, SIGNATURE, chunk, header, png

SIDE = 24
SPEC = ImagePreprocessing(resize_px=SIDE, crop_px=SIDE)
MB = 1 << 20
RED = Image.Exif()
RED[0x0112] = 6


def colours() -> NDArray[np.uint8]:
    """A square of smooth colours, `[SIDE, SIDE, 3]`."""
    x, y = np.meshgrid(np.linspace(0, 255, SIDE), np.linspace(0, 255, SIDE))
    return np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8)


def read(data: bytes) -> Upright:
    with open_image(io.BytesIO(data)) as image:
        return image.square(SPEC)


def ztxt(megabytes: int, keyword: bytes = b"Comment") -> bytes:
    return chunk(b"zTXt", keyword + b"\0\0" + squeezed(bytes(MB), megabytes))


def itxt(megabytes: int, is_squeezed: bool, keyword: bytes = b"Comment") -> bytes:
    text = squeezed(bytes(MB), megabytes) if is_squeezed else b"x" * (megabytes * MB)
    return chunk(b"iTXt", keyword + b"\0" + bytes([is_squeezed, 0]) + b"en\0\0" + text)


METADATA = {
    "iCCP of 3 MB": chunk(b"iCCP", b"profile\0\0" + zlib.compress(os.urandom(3 * MB), 0)),
    "iCCP that inflates to 64 MB": chunk(b"iCCP", b"profile\0\0" + squeezed(bytes(MB), 64)),
    "iCCP of an unknown method": chunk(b"iCCP", b"profile\0\7" + zlib.compress(b"x")),
    "iCCP that is cut": chunk(b"iCCP", b"profile"),
    "zTXt of 2 MB": ztxt(2),
    "zTXt that inflates to 500 MB": ztxt(500),
    "XMP that inflates to 50 MB": itxt(50, True, b"XML:com.adobe.xmp"),
    "a raw profile that inflates to 50 MB": ztxt(50, b"Raw profile type exif"),
    "iTXt of 2 MB": itxt(2, False),
    "XMP of 2 MB": itxt(2, False, b"XML:com.adobe.xmp"),
    "tEXt of 5 MB": chunk(b"tEXt", b"Comment\0" + b"x" * (5 * MB)),
    "eXIf of 2 MB": chunk(b"eXIf", RED.tobytes()[6:] + bytes(2 * MB)),
    "a hundred texts of 1 MB": b"".join(ztxt(1) for _ in range(100)),
    "a private chunk": chunk(b"prVt", os.urandom(MB)),
    "a short gAMA": chunk(b"gAMA", b"\0"),
    "a short cHRM": chunk(b"cHRM", b"\0" * 8),
    "a short pHYs": chunk(b"pHYs", b"\0"),
    "a tRNS of no length": chunk(b"tRNS", b""),
    "a tRNS of a wrong length": chunk(b"tRNS", b"\0" * 5),
    "an acTL of no length": chunk(b"acTL", b""),
    "a senseless fcTL": chunk(b"fcTL", bytes(26)),
    "an iTXt that is cut": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0"),
} | {
    f"{kind.decode()} with a wrong checksum": chunk(kind, data, is_sound=False)
    for kind, data in [
        (b"tEXt", b"Comment\0x"), (b"zTXt", b"Comment\0\0" + zlib.compress(b"x")), (b"iTXt", b"C\0\0\0\0\0x"),
        (b"gAMA", struct.pack(">I", 45455)), (b"pHYs", bytes(9)), (b"sRGB", b"\0"), (b"iCCP", b"p\0\0x"),
        (b"eXIf", RED.tobytes()[6:]), (b"tRNS", bytes(6)), (b"tIME", bytes(7)), (b"acTL", bytes(8)),
        (b"bKGD", bytes(6)),
    ]
}  # fmt: skip


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "behind"])
def test_what_is_no_part_of_the_pixels_does_not_matter(name: str, is_before: bool) -> None:
    extra = [METADATA[name]]
    plain = png(colours(), 8, RGB)
    data = png(colours(), 8, RGB, before=extra) if is_before else png(colours(), 8, RGB, after=extra)
    got = read(data)
    np.testing.assert_array_equal(got.pixels, read(plain).pixels)
    assert (got.width, got.height) == (SIDE, SIDE)


@pytest.mark.parametrize("kind", [b"tEXt", b"zzZz"])
def test_a_text_that_is_cut_off_behind_the_pixels_does_not_matter(kind: bytes) -> None:
    whole = png(colours(), 8, RGB, after=[chunk(kind, b"Comment\0" + bytes(1000))])
    np.testing.assert_array_equal(read(whole[:-600]).pixels, read(whole).pixels)


@pytest.mark.parametrize("where", ["in the pixels", "before the pixels", "in the header"])
def test_a_file_that_ends_early_is_damaged(where: str) -> None:
    whole = png(colours(), 8, RGB, before=[chunk(b"tEXt", b"Comment\0" + bytes(1000))])
    length = {"in the pixels": len(whole) - 60, "before the pixels": 500, "in the header": 20}[where]
    with pytest.raises((OSError, UnidentifiedImageError)):
        read(whole[:length])


def test_pixels_with_a_wrong_checksum_are_damaged() -> None:
    whole = png(colours(), 8, RGB)
    at = whole.index(b"IDAT") + 40
    with pytest.raises((OSError, SyntaxError)):
        read(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_no_flipped_bit_of_the_pixels_gives_another_image(place: int, bit: int) -> None:
    whole = bytearray(png(colours(), 8, RGB))
    at = whole.index(b"IDAT") + 4
    whole[at + place % (len(whole) - at - 16)] ^= 1 << bit
    try:
        got = read(bytes(whole)).pixels
    except Exception:
        return
    np.testing.assert_array_equal(got, read(png(colours(), 8, RGB)).pixels)


def test_as_many_chunks_as_nobody_writes_are_refused_in_words() -> None:
    data = header(SIDE, SIDE, 8, RGB) + chunk(b"IDAT", b"") * 70_000
    with pytest.raises(UnreadKind, match="chunks"):
        read(data)


@pytest.mark.parametrize("where", ["eXIf", "eXIf behind", "raw profile", "XMP"])
def test_an_orientation_is_found_wherever_it_is_kept(where: str) -> None:
    exif = RED.tobytes()
    raw = b"exif\n" + b"%8d\n" % len(exif) + exif.hex().encode()
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    extra = {
        "eXIf": chunk(b"eXIf", exif[6:]),
        "eXIf behind": chunk(b"eXIf", exif[6:]),
        "raw profile": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\n" + raw)),
        "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
    }[where]
    wide = np.concatenate([colours(), colours()], axis=1)
    is_behind = where == "eXIf behind"
    data = png(wide, 8, RGB, after=[extra]) if is_behind else png(wide, 8, RGB, before=[extra])
    got, plain = read(data), read(png(np.rot90(wide, -1), 8, RGB))
    assert (got.width, got.height) == (SIDE, 2 * SIDE)
    np.testing.assert_allclose(got.pixels.astype(int), plain.pixels, atol=1)


_KEYED = [(GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (GREY, 16), (RGB, 8), (RGB, 16)]


@pytest.mark.parametrize("is_interlaced", [False, True], ids=["plain", "interlaced"])
@pytest.mark.parametrize(("colour", "depth"), _KEYED)
def test_the_transparent_colour_lies_over_white_and_its_neighbours_do_not(
    colour: int, depth: int, is_interlaced: bool
) -> None:
    channels, top = (1 if colour == GREY else 3), (1 << depth) - 1
    key = np.array([top // 3, top // 2, top // 4][:channels])  # 0 of one bit
    near = SIDE // 2
    samples = np.broadcast_to(key, (SIDE, SIDE, channels)).copy()
    samples[:, near:] = key + 1  # of 16 bits, only the lowest differs
    data = png(
        samples, depth, colour, before=[chunk(b"tRNS", key.astype(">u2").tobytes())], is_interlaced=is_interlaced
    )
    got = read(data).pixels.astype(int)
    assert got[:, :near].min() == 255
    np.testing.assert_allclose(got[:, near:], np.broadcast_to((key + 1) * 255 / top, got[:, near:].shape), atol=1)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_clear_entries_of_a_palette_lie_over_white(depth: int) -> None:
    entries = 1 << depth
    palette = np.arange(entries * 3, dtype=np.uint8) // 4
    samples = np.arange(SIDE * SIDE).reshape(SIDE, SIDE, 1) % entries
    before = [chunk(b"PLTE", palette.tobytes()), chunk(b"tRNS", b"\0" + bytes([255] * (entries - 1)))]
    got = read(png(samples, depth, PALETTE, before=before)).pixels
    expected = np.where(samples == 0, 255, palette.reshape(-1, 3)[samples[..., 0]])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", [GREY_ALPHA, RGBA])
def test_alpha_of_any_depth_lies_over_white(colour: int, depth: int) -> None:
    scale = ((1 << depth) - 1) / 255
    rgb = colours() if colour == RGBA else colours()[..., :1]
    alpha = np.linspace(0, 255, SIDE).astype(np.uint8)[None, :, None].repeat(SIDE, 0)
    samples = np.concatenate([rgb, alpha], axis=2) * scale
    expected = rgb * (alpha / 255.0) + 255 * (1 - alpha / 255.0)
    got = read(png(samples, depth, colour)).pixels
    np.testing.assert_allclose(got.astype(float), np.broadcast_to(expected, got.shape), atol=1.5)


def test_nothing_that_is_passed_over_is_held_in_memory() -> None:
    """In a fresh process: the file has 30 MB of profile and a text that inflates to 500 MB."""
    data = png(colours(), 8, RGB, before=[chunk(b"iCCP", b"p\0\0" + bytes(30 * MB)), ztxt(500)])
    code = (
        "import io, resource, sys\n"
        "from models.image_files.opened import open_image\n"
        "from models.manifest import ImagePreprocessing\n"
        "file = io.BytesIO(sys.stdin.buffer.read())\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with open_image(file) as image:\n"
        "    image.square(ImagePreprocessing(resize_px=24, crop_px=24))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, timeout=60)
    assert int(done.stdout) < 8 << 10


def test_the_reader_keeps_the_file_as_it_is_where_nothing_is_to_be_left_out() -> None:
    data = png(colours(), 8, RGB)
    assert reader.essential(io.BytesIO(data)).file.read() == data
    kept = png(colours(), 8, RGB, before=[chunk(b"gAMA", bytes(4))])
    assert reader.essential(io.BytesIO(kept)).file.read() == data
    assert data.startswith(SIGNATURE)
