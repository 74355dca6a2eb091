"""Small files that claim, or unfold to, very much: what a hostile client sends. Each is made within a second."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.pictures import encoded
from tests.pngs import GREY, GREY_ALPHA, PALETTE, PASSES, RGB, RGBA, chunk, header


def squeezed(piece: bytes, times: int) -> bytes:
    """A whole zlib stream (RFC 1950) of a piece that repeats, without compressing it again and again."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = stream.compress(piece) + stream.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(piece, checksum)
    return b"\x78\xda" + block * times + b"\x03\0" + checksum.to_bytes(4, "big")


def png_bomb(side: int, depth: int, colour: int, before: bytes = b"", is_interlaced: bool = False) -> bytes:
    """A square PNG of one value, whose rows are squeezed as they are made."""
    bits = depth * {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}[colour]
    stream = zlib.compressobj(9)
    passes = PASSES if is_interlaced else ((0, 0, 1, 1),)
    rows = [
        stream.compress(b"\0" + bytes((len(range(x, side, dx)) * bits + 7) // 8))
        for x, y, dx, dy in passes
        for _ in range(y, side, dy)
    ]
    data = chunk(b"IDAT", b"".join(rows) + stream.flush())
    return header(side, side, depth, colour, is_interlaced) + before + data + chunk(b"IEND", b"")


def run_length_bomb(side: int) -> bytes:
    """A BMP of RLE8 that is one end of a line after the other, and then moves to its end."""
    data = b"\0\2\0\xff" * (side // 255 + 1) + b"\0\1"
    begin = 14 + 40 + 1024
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", begin + len(data), 0, 0, begin) + head + bytes(1024) + data


def tag_bomb(tags: int, value_bytes: int) -> bytes:
    """A tiny TIFF with so many unknown tags, all of which have the same value."""
    known = [
        (256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
        (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64),
    ]  # fmt: skip
    entries = [*known, *((50_000 + each, 7, value_bytes, 8) for each in range(tags))]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries)
    return b"II*\0" + struct.pack("<I", 8 + value_bytes) + bytes(value_bytes) + directory + bytes(4)


def image_bombs(side: int) -> Iterator[tuple[str, bytes]]:
    """Large images in small files, of every format and of the modes that cost most, each with its name."""
    yield "RGBA PNG", png_bomb(side, 8, RGBA)
    yield "RGBA PNG of 16 bits", png_bomb(side, 16, RGBA)
    yield "grey PNG of 16 bits", png_bomb(side, 16, GREY)
    yield "PNG of 16 bits with a transparent colour", png_bomb(side, 16, RGB, chunk(b"tRNS", bytes(6)))
    yield "interlaced PNG", png_bomb(side, 8, RGBA, is_interlaced=True)
    palette = chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", b"\x80")
    yield "palette PNG with transparency", png_bomb(side, 8, PALETTE, palette)
    yield "run-length BMP", run_length_bomb(side)
    yield "GIF", encoded(Image.new("P", (side, side)), "GIF")
    rgb, size = Image.new("RGB", (side, side), (40, 90, 160)), (side, side)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "lzma", "zstd"):
        yield f"TIFF of {compression}", encoded(rgb, "TIFF", compression=compression)
    whole = {"compression": "tiff_adobe_deflate", "strip_size": 1 << 31}
    yield "TIFF of one strip", encoded(rgb, "TIFF", **whole)
    yield "turned TIFF", encoded(rgb, "TIFF", compression="tiff_adobe_deflate", tiffinfo={274: 6})
    yield "float TIFF", encoded(Image.new("F", size, 0.5), "TIFF", compression="tiff_adobe_deflate")
    yield "float TIFF of one strip", encoded(Image.new("F", size, 0.5), "TIFF", **whole)
    yield "TIFF of CCITT group 4", encoded(Image.new("1", size), "TIFF", compression="group4")
    yield "baseline JPEG", encoded(rgb, "JPEG")
    yield "progressive JPEG", encoded(rgb, "JPEG", progressive=True, subsampling=0)
    yield "progressive CMYK JPEG", encoded(rgb.convert("CMYK"), "JPEG", progressive=True, subsampling=0)
    clear = Image.new("RGBA", size, (40, 90, 160, 128))
    yield "WebP", encoded(rgb, "WEBP", quality=10, method=0)
    yield "lossless WebP with alpha", encoded(clear, "WEBP", lossless=True, quality=0, method=0)
    for sampling in ("4:2:0", "4:4:4"):
        yield f"AVIF of {sampling}", encoded(clear, "AVIF", subsampling=sampling, speed=10)
