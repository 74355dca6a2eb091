"""WAV files of every kind (RIFF, RIFX, RF64, BW64): where their sound lies and how it is coded.

libav reads the plain ones. It mistakes the order of bytes in RIFX, takes the valid bits of a sample for its size, and
gives up at a damaged list of titles; so it is given a file of its own, with what it needs and nothing else. It does
not know samples.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from models.excerpt import Excerpt
from models.sound_files.unread import DamagedSound, UnknownSound

_KINDS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_MAX_CHUNKS = 200_000
_MAX_FORMAT_BYTES = 1 << 16
_SEARCHED_BYTES = 1 << 20
# Writers that cannot seek back leave 0 or nearly all ones where the size belongs.
_PLACEHOLDER = 0x7FFF_0000
_UNKNOWN_SIZE = 0xFFFF_FFFF
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_G722, _G722_OLD, _G726, _G726_RATE_HZ = 0x028F, 0x0065, 0x0064, 8_000
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # what follows the tag of a subformat
_CAF_FLOAT, _CAF_BITMAP = 1, 1 << 16


@dataclass(frozen=True)
class Format:
    """What the chunk `fmt ` says, in the order of RIFF: the coding's number, and the fields of WAVEFORMATEX."""

    tag: int
    channels: int
    rate_hz: int
    bytes_per_s: int
    block_bytes: int
    bits: int
    mask: int
    """Places of the channels in the room; 0 where none are given."""

    @property
    def is_plain(self) -> bool:
        """Whether samples stand as they are."""
        return self.tag in (_PCM, _FLOAT) and self.channels > 0 and self.sample_bytes in (1, 2, 3, 4, 8)

    @property
    def is_g722(self) -> bool:
        """Of its numbers libav knows one; another belongs to G.726, which has a rate of its own."""
        return self.tag in (_G722, _G722_OLD) or (self.tag == _G726 and self.rate_hz != _G726_RATE_HZ)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel; its valid bits are the highest of them."""
        return self.block_bytes // max(1, self.channels)

    def packed(self) -> bytes:
        """As an extensible format in which all bits of a sample are valid."""
        bits = 8 * self.sample_bytes
        bytes_per_s = min(self.rate_hz * self.block_bytes, 0xFFFFFFFF)  # more has no place
        plain = (self.channels, self.rate_hz, bytes_per_s, self.block_bytes, bits)
        return struct.pack("<HHIIHHHHIH", _EXTENSIBLE, *plain, 22, bits, self.mask, self.tag) + _GUID


@dataclass(frozen=True)
class Wave:
    """A WAV file's parts."""

    is_big: bool
    """RIFX: the highest byte of each number comes first."""
    raw_format: bytes
    fact: bytes
    data_at: int
    promised_bytes: int | None
    """Of sound; None where the writer could not know."""
    file_bytes: int

    @property
    def format(self) -> Format:
        """What the sound is.

        Raises:
            DamagedSound: the format is cut off.
        """
        order = ">" if self.is_big else "<"
        if len(self.raw_format) < 16:
            raise DamagedSound(
                "nothing could be decoded: its header is damaged or cut off; send the file again whole"
            )
        tag, channels, rate_hz, bytes_per_s, block_bytes, bits = struct.unpack_from(order + "HHIIHH", self.raw_format)
        mask = 0
        if tag == _EXTENSIBLE and len(self.raw_format) >= 40:
            mask, tag = struct.unpack_from(order + "II", self.raw_format, 20)
            tag = tag if tag <= 0xFFFF else int.from_bytes(self.raw_format[24:26], "little")
        return Format(tag, channels, rate_hz, bytes_per_s, block_bytes, bits, mask)

    def for_libav(self, file: IO[bytes]) -> Excerpt:
        """The file in a form that libav reads rightly; `file` must stay open and be read by nobody else.

        Raises:
            UnknownSound: of a coding that is not read in a RIFX.
            DamagedSound: the format is cut off.
        """
        form = self.format
        there = max(0, self.file_bytes - self.data_at)
        size = there if self.promised_bytes is None else min(there, self.promised_bytes)
        if form.is_plain:
            size -= size % form.block_bytes
        return Excerpt(file, [self._head(form, size), (self.data_at, size)])

    def _head(self, form: Format, size: int) -> bytes:
        if self.is_big and form.is_plain and form.sample_bytes > 1:
            return _caf_head(form)
        if form.is_plain:
            return _riff_head(form.packed(), b"", size)
        if not self.is_big:
            raw = struct.pack("<H", _G722) + self.raw_format[2:] if form.is_g722 else self.raw_format
            return _riff_head(raw, self.fact, size)
        if form.tag not in (_ALAW, _MULAW):
            raise UnknownSound(
                f"the sound is a RIFX of coding {form.tag:#06x}; send a WAV with its lowest bytes first"
            )
        plain = (form.tag, form.channels, form.rate_hz, form.bytes_per_s, form.block_bytes, form.bits)
        return _riff_head(struct.pack("<HHIIHH", *plain), b"", size)


def read_wave(file: IO[bytes]) -> Wave | None:
    """The parts of a WAV file; None where it is none, or one without sound."""
    size = file.seek(0, os.SEEK_END)
    head = _read(file, 0, 12)
    if head[:4] not in _KINDS or head[8:] != b"WAVE":
        return None
    is_big = head[:4] == b"RIFX"
    order = ">" if is_big else "<"
    chunks: dict[bytes, bytes] = {}
    for name, start, length in _chunks(file, order):
        if name == b"data" and b"fmt " in chunks:
            promised = _promised(length, chunks.get(b"ds64", b""))
            return Wave(is_big, chunks[b"fmt "], chunks.get(b"fact", b""), start, promised, size)
        if name in (b"fmt ", b"fact", b"ds64"):
            chunks[name] = _read(file, start, min(length, _MAX_FORMAT_BYTES))
    return None


def _chunks(file: IO[bytes], order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk; behind one whose length is wrong the sound is searched for."""
    at, behind = 12, 12
    for _ in range(_MAX_CHUNKS):
        header = _read(file, at, 8)
        if len(header) < 8 or not _is_name(header):
            found = _read(file, behind, _SEARCHED_BYTES).find(b"data")
            if found < 0:
                return
            at = behind + found
            header = _read(file, at, 8).ljust(8, b"\0")
        name, length = struct.unpack(order + "4sI", header)
        yield name, at + 8, length
        if name == b"data":
            return
        at += 8 + length
        if length % 2 and not _is_name(_read(file, at, 4)):  # some writers leave the padding out
            at += 1
        if name == b"fmt ":
            behind = at


def _promised(length: int, large_sizes: bytes) -> int | None:
    """How much sound the chunk `data` has, by its own length or by that of `ds64` (EBU Tech 3306)."""
    large = int.from_bytes(large_sizes[8:16], "little") if len(large_sizes) >= 16 else 0
    if length == _UNKNOWN_SIZE and 0 < large < 1 << 62:
        return large
    return None if length == 0 or length >= _PLACEHOLDER else length


def _is_name(header: bytes) -> bool:
    return len(header) >= 4 and all(0x20 <= each < 0x7F for each in header[:4])


def _read(file: IO[bytes], start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _riff_head(form: bytes, fact: bytes, size: int) -> bytes:
    fact = struct.pack("<4sI", b"fact", len(fact)) + fact + bytes(len(fact) % 2) if fact else b""
    size = min(size, _UNKNOWN_SIZE)
    form = struct.pack("<4sI", b"fmt ", len(form)) + form + bytes(len(form) % 2)
    whole = min(4 + len(form) + len(fact) + 8 + size, _UNKNOWN_SIZE)
    return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + form + fact + struct.pack("<4sI", b"data", size)


def _caf_head(form: Format) -> bytes:
    """Apple's Core Audio Format, which has samples of either order."""
    flags = _CAF_FLOAT if form.tag == _FLOAT else 0
    description = struct.pack(
        ">d4sIIIII", form.rate_hz, b"lpcm", flags, form.block_bytes, 1, form.channels, 8 * form.sample_bytes
    )
    places = struct.pack(">III", _CAF_BITMAP, form.mask, 0) if form.mask else b""
    head = b"caff" + struct.pack(">HH", 1, 0) + _caf_chunk(b"desc", description)
    return head + (_caf_chunk(b"chan", places) if places else b"") + struct.pack(">4sqI", b"data", -1, 0)


def _caf_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">4sq", name, len(body)) + body
