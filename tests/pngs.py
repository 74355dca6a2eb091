"""A writer of PNG files (PNG, third edition) of every depth and colour type, with whatever chunks a test wants."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
# Adam7: where each pass begins, and its steps
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, data: bytes, is_sound: bool = True) -> bytes:
    """One chunk; a checksum that is not sound is wrong by one bit."""
    checksum = zlib.crc32(kind + data) ^ (not is_sound)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def header(width: int, height: int, depth: int, colour: int, is_interlaced: bool = False) -> bytes:
    """Signature and IHDR."""
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, is_interlaced))


def png(
    samples: NDArray[Any],
    depth: int,
    colour: int,
    *,
    before: Sequence[bytes] = (),
    after: Sequence[bytes] = (),
    is_interlaced: bool = False,
) -> bytes:
    """Samples `[height, width, channels]` with chunks before and behind the pixels."""
    height, width, _ = samples.shape
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES] if is_interlaced else [samples]
    rows = b"".join(b"\0" + _row(row, depth) for each in passes if each.size for row in each)
    data = zlib.compress(rows)
    half = len(data) // 2
    pixels = chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:])
    return b"".join([
        header(width, height, depth, colour, is_interlaced), *before, pixels, *after, chunk(b"IEND", b""),
    ])  # fmt: skip


def _row(row: NDArray[Any], depth: int) -> bytes:
    values = row.ravel()
    if depth >= 8:
        return values.astype(f">u{depth // 8}").tobytes()
    bits = np.unpackbits(values.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()
