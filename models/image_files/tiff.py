"""The first directory of a TIFF file (TIFF 6.0, BigTIFF): how its samples lie, and whether they are read rightly.

Pillow reads most layouts through libtiff, lacks some, and shows a few wrongly. Those that it lacks or shows wrongly
are named here, so that they are refused in words. Only small whole numbers are read; nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from models.preprocess import Levels

PREFIXES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS = 256, 257, 258, 259, 262, 277, 278
_ORIENTATION = 274
_PLANAR, _TILE_WIDTH, _TILE_LENGTH, _EXTRAS, _FORMATS = 284, 322, 323, 338, 339
_WANTED = {
    _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _EXTRAS,
    _FORMATS, _ORIENTATION,
}  # fmt: skip
_COUNTED = {273, 324}  # offsets of strips and tiles
# type → letter of `struct`: unsigned whole numbers of 1, 2, 4 and 8 bytes
_LETTERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
# type → bytes of one value
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MAX_ENTRIES, _MAX_VALUES = 4_096, 32
# What Pillow's builds decode: none, CCITT, LZW, JPEG, deflate, PackBits, ThunderScan, LZMA, Zstandard.
_COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34925, 50000}
_FORMAT_WORDS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "untyped", 5: "complex", 6: "complex"}
_COLOURS = {
    0: "grey with 0 as white", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELAB",
    9: "ICCLAB", 10: "ITULAB", 32803: "colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip
_CHANNELS = {2: 3, 5: 4, 6: 3, 8: 3}
_WHITE_IS_ZERO, _RGB, _YCBCR, _LAB = 0, 2, 6, 8
_SIGNED, _FLOAT = 2, 3


@dataclass(frozen=True)
class Directory:
    """What a file's first directory says of its samples."""

    order: str
    """`<` or `>`."""
    tags: Mapping[int, tuple[int, ...]]
    pieces: int
    """Strips or tiles."""
    is_big: bool
    """BigTIFF."""
    value_bytes: int
    """Bytes of the values of all tags; libtiff keeps them, those that it does not know as well."""

    def _first(self, tag: int, default: int) -> int:
        return self.tags.get(tag, (default,))[0]

    @property
    def bits(self) -> int:
        """Bits of one sample, the largest where they differ."""
        return max(self.tags.get(_BITS, (1,)))

    @property
    def samples(self) -> int:
        """Samples of one pixel."""
        return self._first(_SAMPLES, 3 if self.compression in {6, 7} and self.photometric in {2, 6} else 1)

    @property
    def format(self) -> int:
        """1 unsigned, 2 signed, 3 floating point."""
        return self._first(_FORMATS, 1)

    @property
    def photometric(self) -> int:
        """0 white is zero, 1 black is zero, 2 RGB, 3 palette, …"""
        return self._first(_PHOTOMETRIC, 0)

    @property
    def compression(self) -> int:
        """1 is none."""
        return self._first(_COMPRESSION, 1)

    @property
    def is_planar(self) -> bool:
        """Whether each channel lies by itself."""
        return self._first(_PLANAR, 1) == 2

    @property
    def piece_pixels(self) -> int:
        """Pixels of one strip or tile, as the file claims; a tile may claim more than the image has."""
        width, height = self._first(_WIDTH, 0), self._first(_LENGTH, 0)
        if _TILE_WIDTH in self.tags:
            return self._first(_TILE_WIDTH, 0) * self._first(_TILE_LENGTH, 0)
        return width * min(height, self._first(_ROWS, height))

    @property
    def piece_bytes(self) -> int:
        """Bytes of one strip or tile, decoded, of all channels that lie in it."""
        return self.piece_pixels * self.bits * (1 if self.is_planar else self.samples) // 8

    @property
    def is_turned(self) -> bool:
        """Whether it is stored otherwise than upright."""
        return self._first(_ORIENTATION, 1) != 1

    def why_unread(self) -> str | None:
        """The kind in words, where Pillow lacks it or shows it wrongly; None where it is read."""
        if self.compression not in _COMPRESSIONS:
            return f"a TIFF of compression {self.compression}; save it with deflate or LZW"
        if self.is_big and self.order == ">":
            return "a BigTIFF with its highest bytes first; save it as a plain TIFF"
        return self.kind if self._is_shown_wrongly() else None

    def _is_shown_wrongly(self) -> bool:
        extras = self.tags.get(_EXTRAS, ())
        if self.format == _SIGNED and self.bits < 32:
            return True
        if self.format == _FLOAT and self.photometric == _WHITE_IS_ZERO:
            return True
        if not self.is_planar:
            return False
        if self.photometric == _LAB or (self.photometric == _RGB and self.samples > 3 and not extras):
            return True
        if self.photometric == _YCBCR and extras:
            return True
        # of channels that lie apart Pillow takes four at most, and no alpha behind a single one
        return any(extras) and self.samples != 4

    @property
    def is_complete(self) -> bool:
        """Whether it says all that every file must."""
        return {_WIDTH, _LENGTH} <= self.tags.keys() and self.pieces > 0

    @property
    def levels(self) -> Levels | None:
        """Black and white, where they are not what Pillow's mode lets expect."""
        if self.bits == 12:
            return Levels(0.0, 4_095.0)
        if self.bits == 16 and self.photometric == _WHITE_IS_ZERO:
            return Levels(65_535.0, 0.0)
        return None

    @property
    def kind(self) -> str:
        """The layout in words, for a refusal."""
        colour = _COLOURS.get(self.photometric, f"of photometric interpretation {self.photometric}")
        more = f" and {over} more" if (over := self.samples - _CHANNELS.get(self.photometric, 1)) > 0 else ""
        apart = ", each channel apart" if self.is_planar else ""
        word = _FORMAT_WORDS.get(self.format, "unknown")
        return (
            f"a TIFF of {self.bits}-bit {word} samples ({colour}{more}{apart}); "
            "save it with 8 unsigned bits a sample as grey, RGB or RGBA"
        )


def read_directory(source: IO[bytes]) -> Directory | None:
    """The first directory; None where the file is damaged so early."""
    source.seek(0)
    head = source.read(16)
    order = "<" if head.startswith(b"II") else ">"
    is_big = head[2:4] in {b"+\0", b"\0+"}
    try:
        return _read(source, head, order, "HHQQ" if is_big else "HHII")
    except (struct.error, OSError, ValueError, OverflowError):
        return None


def _read(source: IO[bytes], head: bytes, order: str, layout: str) -> Directory:
    """`layout` are the letters of one entry: tag, type, count, and the values or where they are."""
    letter, size = layout[-1], struct.calcsize(order + layout)
    room = struct.calcsize(letter)
    source.seek(struct.unpack_from(order + letter, head, room)[0])
    counts = order + ("Q" if letter == "Q" else "H")
    entries = struct.unpack(counts, source.read(struct.calcsize(counts)))[0]
    table = source.read(size * min(entries, _MAX_ENTRIES))
    tags: dict[int, tuple[int, ...]] = {}
    pieces = value_bytes = 0
    for at in range(0, len(table) - size + 1, size):
        tag, kind, count, place = struct.unpack_from(order + layout, table, at)
        value_bytes += count * _SIZES.get(kind, 0)
        if tag in _COUNTED:
            pieces = count
        elif tag in _WANTED and kind in _LETTERS and count:
            form = f"{order}{min(count, _MAX_VALUES)}{_LETTERS[kind]}"
            field = table[at + size - room : at + size]
            if struct.calcsize(f"{order}{count}{_LETTERS[kind]}") > room:
                source.seek(place)
                field = source.read(struct.calcsize(form))
            tags.setdefault(tag, struct.unpack_from(form, field))  # as libtiff does where one stands twice
    return Directory(order, tags, pieces, letter == "Q", value_bytes)
