"""How the pixels of a JPEG lie (ITU-T T.81), as far as its decoder's memory depends on it.

A file of one scan is decoded row by row. One of several (progressive, or each channel by itself) is kept as
coefficients up to its last scan, however small it is wanted. Only markers are read; nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from models.image_files.unread import UnreadKind

PREFIX = b"\xff\xd8"
_MAX_SEGMENTS = 1 << 16
_JUNK_BYTES = 1 << 12
_PROGRESSIVE = {0xC2, 0xCA}
_FRAMES = {0xC0, 0xC1, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCB, 0xCD, 0xCE, 0xCF} | _PROGRESSIVE
_SCAN, _END = 0xDA, 0xD9
_STANDALONE = {0x01, *range(0xD0, _END)}
_BLOCK, _COEFFICIENT_BYTES = 8, 2


def coefficient_bytes(source: IO[bytes]) -> int:
    """Bytes of the coefficients that a decoder keeps; 0 where it needs none, or the file ends before its pixels.

    Raises:
        UnreadKind: there are so many segments that walking through them is work without end.
    """
    kept, channels, is_progressive = 0, 0, False
    try:
        for marker, begin in _segments(source):
            source.seek(begin)
            if marker in _FRAMES:
                height, width, channels = struct.unpack(">3xHHB", source.read(8))
                kept = _COEFFICIENT_BYTES * _samples(width, height, source.read(3 * channels))
                is_progressive = marker in _PROGRESSIVE
            elif marker == _SCAN:
                (in_scan,) = struct.unpack(">2xB", source.read(3))
                return kept if is_progressive or in_scan < channels else 0
    except struct.error:  # it ends inside of its header
        pass
    return 0


def _samples(width: int, height: int, channels: bytes) -> int:
    """Samples of all channels, filled up to whole blocks."""
    ways = [(each >> 4, each & 15) for each in channels[1::3]]
    across, down = max((way[0] for way in ways), default=1), max((way[1] for way in ways), default=1)
    columns, rows = -(-width // (_BLOCK * max(1, across))), -(-height // (_BLOCK * max(1, down)))
    return columns * rows * _BLOCK**2 * sum(way[0] * way[1] for way in ways)


def _segments(source: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Markers that have a length, up to the first scan, and where that stands; what is no marker is skipped."""
    at = len(PREFIX)
    for _ in range(_MAX_SEGMENTS):
        at, marker = _next_marker(source, at)
        if marker == _END:
            return
        if marker in _STANDALONE:
            continue
        yield marker, at
        if marker == _SCAN:
            return
        source.seek(at)
        at += max(2, *struct.unpack(">H", source.read(2)))
    raise UnreadKind(f"a JPEG of more than {_MAX_SEGMENTS} segments before its pixels; save it anew")


def _next_marker(source: IO[bytes], at: int) -> tuple[int, int]:
    """Where the next marker ends, and which it is."""
    while True:
        source.seek(at)
        data = source.read(_JUNK_BYTES)
        if len(data) < 2:
            raise struct.error("no more markers")
        for begin in range(len(data) - 1):
            if data[begin] == 0xFF and data[begin + 1] not in {0x00, 0xFF}:
                return at + begin + 2, data[begin + 1]
        at += len(data) - 1
