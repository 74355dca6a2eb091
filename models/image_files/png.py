"""What of a PNG file the image is made of (PNG, third edition); the rest is passed over, however large or damaged.

Decoders read texts and colour profiles that nobody here looks at, inflate them, and refuse the file where one of them
is too large or its checksum is wrong. A browser shows such a file, so it is read here. Nothing is inflated but two
texts in which some programs keep the orientation, and those within a limit.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from models.excerpt import excerpt
from models.image_files.unread import UnreadKind

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3
_MAX_CHUNKS = 1 << 16
_MAX_KEPT_BYTES = 1 << 20  # of a chunk that is kept though it is no part of the pixels, inflated
_PIECE_BYTES = 1 << 16
_KEY_BYTES = {GREY: 2, RGB: 6}  # of tRNS
# Keywords of the texts in which Pillow finds an orientation: ImageMagick's, and Adobe's XMP.
_KEYWORDS = {b"Raw profile type exif", b"XML:com.adobe.xmp"}
_LOOKED_AT = {b"tRNS", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}


@dataclass(frozen=True)
class Png:
    """The file without what does not matter, bits a sample, and the colour type of its header."""

    file: IO[bytes]
    depth: int
    colour: int


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    begin: int
    length: int
    is_whole: bool

    @property
    def is_critical(self) -> bool:
        return not self.kind[0] & 0x20


def essential(source: IO[bytes]) -> Png:
    """Pass over what does not matter; the source is read on demand and must stay open.

    Raises:
        UnreadKind: there are so many chunks that walking through them is work without end.
        OSError: a chunk of the pixels is damaged.
    """
    source.seek(0)
    head = source.read(33)
    depth, colour = (head[24], head[25]) if len(head) == 33 else (0, 0)
    parts = [(0, len(SIGNATURE))]
    said: set[bytes] = set()
    for chunk in _chunks(source):
        if chunk.kind == b"IDAT":
            said.add(b"tRNS")  # behind the pixels it would say nothing
        if chunk.is_critical:
            if chunk.is_whole and _checksum(source, chunk) != 0:
                raise OSError("the checksum of a critical chunk is wrong")
            _append(parts, chunk)
        elif (topic := _topic(source, chunk, colour)) is not None and topic not in said:
            said.add(topic)
            _append(parts, chunk)
    return Png(excerpt(source, parts), depth, colour)


def _append(parts: list[tuple[int, int]], chunk: _Chunk) -> None:
    begin, length = parts[-1]
    if begin + length == chunk.begin:
        parts[-1] = (begin, length + chunk.length)
    else:
        parts.append((chunk.begin, chunk.length))


def _chunks(source: IO[bytes]) -> Iterator[_Chunk]:
    """Every chunk up to the end of the image, or to where what follows is no chunk."""
    at, end = len(SIGNATURE), source.seek(0, io.SEEK_END)
    for _ in range(_MAX_CHUNKS):
        source.seek(at)
        head = source.read(8)
        kind = head[4:]
        if len(kind) < 4 or not kind.isalpha():
            return
        length = int.from_bytes(head[:4], "big") + 12
        yield _Chunk(kind, at, min(length, end - at), at + length <= end)
        at += length
        if kind == b"IEND" or at >= end:
            return
    raise UnreadKind(f"a PNG of more than {_MAX_CHUNKS} chunks; save it anew")


def _checksum(source: IO[bytes], chunk: _Chunk) -> int:
    """0 where the chunk's checksum is that of its type and content."""
    source.seek(chunk.begin + 4)
    left, checksum = chunk.length - 8, 0
    while left and (piece := source.read(min(left, _PIECE_BYTES))):
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    return checksum ^ int.from_bytes(source.read(4), "big")


def _topic(source: IO[bytes], chunk: _Chunk, colour: int) -> bytes | None:
    """What a sound chunk that is not critical says of the pixels: its type or keyword; None where nothing."""
    if not chunk.is_whole or chunk.length > _MAX_KEPT_BYTES or chunk.kind not in _LOOKED_AT:
        return None
    if _checksum(source, chunk) != 0:
        return None
    source.seek(chunk.begin + 8)
    data = source.read(chunk.length - 12)
    if chunk.kind == b"tRNS":
        is_sound = len(data) == _KEY_BYTES[colour] if colour in _KEY_BYTES else 0 < len(data) <= 256
        return chunk.kind if is_sound else None
    return chunk.kind if chunk.kind == b"eXIf" else _keyword(chunk.kind, data)


def _keyword(kind: bytes, data: bytes) -> bytes | None:
    """The keyword of a text that may tell the orientation, if it can be inflated within the limit."""
    keyword, _, rest = data.partition(b"\0")
    if keyword not in _KEYWORDS:
        return None
    if kind == b"zTXt":
        return keyword if rest[:1] == b"\0" and _inflates(rest[1:]) else None
    if kind == b"iTXt" and rest[:1] == b"\1":
        return keyword if _inflates(rest[2:].split(b"\0", 2)[-1]) else None
    return keyword


def _inflates(squeezed: bytes) -> bool:
    """Whether it is sound and within the limit; no more than that is ever inflated."""
    stream = zlib.decompressobj()
    try:
        stream.decompress(squeezed, _MAX_KEPT_BYTES)
    except zlib.error:
        return False
    return not stream.unconsumed_tail
