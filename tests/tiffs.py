"""A writer of TIFF files (TIFF 6.0), so that tests have every layout of samples that cameras and instruments write.

Pillow writes few of them, and a reader is not to be judged by the writer beside it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSIGNED, SIGNED, FLOATS = 1, 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
PLAIN, DEFLATE, PACKBITS = 1, 8, 32773
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
_SHORT, _LONG, _LONG8 = 3, 4, 16
_LETTERS = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}


@dataclass(frozen=True)
class Layout:
    """How samples lie in the file."""

    bits: int = 8
    format: int = UNSIGNED
    photometric: int = RGB
    order: str = "<"
    compression: int = PLAIN
    extras: tuple[int, ...] = ()
    planar: bool = False
    fill_order: int = 1
    rows_per_strip: int = 16
    tile: int = 0
    big: bool = False
    """BigTIFF."""
    more: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Further tags, or other values for those above, as unsigned shorts (longs where they do not fit)."""


def tiff(samples: NDArray[Any], layout: Layout) -> bytes:
    """Samples `[height, width, channels]` as a file of one page; they are stored as they are, not scaled."""
    height, width, channels = samples.shape
    planes = [samples[..., c : c + 1] for c in range(channels)] if layout.planar else [samples]
    pieces = [_packed(block, layout) for plane in planes for block in _blocks(plane, layout)]
    tags: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [layout.bits] * channels,
        259: [layout.compression],
        262: [layout.photometric],
        266: [layout.fill_order],
        277: [channels],
        284: [2 if layout.planar else 1],
        339: [layout.format] * channels,
    }
    if layout.extras:
        tags[338] = layout.extras
    if layout.tile:
        tags |= {322: [layout.tile], 323: [layout.tile]}
    else:
        tags[278] = [layout.rows_per_strip]
    return _file(pieces, tags | dict(layout.more), layout)


def _blocks(plane: NDArray[Any], layout: Layout) -> list[NDArray[Any]]:
    """Strips, or square tiles that are filled up with zeros."""
    height, width, _ = plane.shape
    side = layout.tile
    if not side:
        return [plane[top : top + layout.rows_per_strip] for top in range(0, height, layout.rows_per_strip)]
    padded = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)))
    return [
        padded[top : top + side, left : left + side]
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def _packed(block: NDArray[Any], layout: Layout) -> bytes:
    rows = block.reshape(len(block), -1)
    raw = [_row(row, layout) for row in rows]
    if layout.compression == PACKBITS:
        raw = [_literal(row) for row in raw]
    data = zlib.compress(b"".join(raw)) if layout.compression == DEFLATE else b"".join(raw)
    if layout.fill_order == 2:  # what is stored is turned, compressed or not, as libtiff has it
        return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return data


def _row(row: NDArray[Any], layout: Layout) -> bytes:
    if layout.bits % 8 or layout.bits == 24:
        digits = "".join(f"{int(value):0{layout.bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        return int(digits, 2).to_bytes(len(digits) // 8, "big")
    kind = {UNSIGNED: "u", SIGNED: "i", FLOATS: "f"}.get(layout.format, "u")
    return row.astype(f"{layout.order}{kind}{layout.bits // 8}").tobytes()


def _literal(row: bytes) -> bytes:
    return b"".join(bytes([len(row[i : i + 128]) - 1]) + row[i : i + 128] for i in range(0, len(row), 128))


def _file(pieces: Sequence[bytes], tags: Mapping[int, Sequence[int]], layout: Layout) -> bytes:
    """Header, pieces, one directory, and what does not fit into it."""
    order, letter = layout.order, "Q" if layout.big else "I"
    start = 16 if layout.big else 8
    offsets = [start + sum(len(each) for each in pieces[:index]) for index in range(len(pieces))]
    places = (324, 325) if layout.tile else (273, 279)
    entries = {places[0]: offsets, places[1]: [len(each) for each in pieces], **tags}
    body = b"".join(pieces)
    body += bytes(-len(body) % 8)
    at = start + len(body)
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(order + "HHHQ", 43, 8, 0, at) if layout.big else struct.pack(order + "HI", 42, at)
    return mark + head + body + _directory(entries, at, order, letter)


def _directory(entries: Mapping[int, Sequence[int]], at: int, order: str, letter: str) -> bytes:
    counts = "Q" if letter == "Q" else "H"
    room = struct.calcsize(letter)
    far_at = at + struct.calcsize("<" + counts) + len(entries) * (4 + 2 * room) + room
    listed, far = b"", b""
    for tag, values in sorted(entries.items()):
        kind = _SHORT if all(0 <= value < 1 << 16 for value in values) else _LONG
        data = struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
        if len(data) > room:
            place = struct.pack(order + letter, far_at + len(far))
            far += data + bytes(-len(data) % 8)
        else:
            place = data.ljust(room, b"\0")
        listed += struct.pack(f"{order}HH{letter}", tag, kind, len(values)) + place
    return struct.pack(order + counts, len(entries)) + listed + bytes(room) + far
