"""Was a media file cut short? Answered from its container's own sizes, without decoding anything.

Decoders read what is there and say nothing of what is missing, yet a client should learn that the upload broke off.
Containers say how many bytes belong to them: RIFF chunks, ISO boxes, the EBML segment, Ogg's last page, the Xing
frame of an MP3. Every read is bounded. It does not know audio, and trusts no number further than to compare it.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from enum import Enum
from typing import IO

from models.sound_files.riff import read_wave

W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")  # the GUID with which Sony's Wave64 begins
_HEAD_BYTES = 16_384
_OGG_PAGE_BYTES = 65_307  # the largest size of a page (RFC 3533)
_OGG_TAIL_BYTES = 2 * _OGG_PAGE_BYTES
_OGG_SEARCHED_BYTES = 16 << 20
_MAX_CHUNKS = 200_000
# Writers that cannot seek back leave 0 or nearly all ones where the size belongs.
_PLACEHOLDER = 0x7FFF_0000
# Sizes that are wrong by a header's length are a common fault of writers, not a cut.
_TOLERANCE_BYTES = 64
_MPEG_BITRATES_KBPS = {  # ISO/IEC 11172-3 and 13818-3: (is MPEG-1, layer) → index → kbit/s
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class Wholeness(Enum):
    """What a container's sizes say of the file that holds it."""

    WHOLE = "whole"
    CUT = "cut"
    UNKNOWN = "unknown"


def wholeness(file: IO[bytes]) -> Wholeness:
    """Compare what the container promises with the bytes that are there; leaves the position anywhere."""
    size = file.seek(0, os.SEEK_END)
    head = _read(file, 0, _HEAD_BYTES)
    for matches, check in _CHECKS:
        if matches(head):
            return check(file, head, size)
    return Wholeness.UNKNOWN


def mpeg_frame_bytes(header: bytes) -> int | None:
    """Length in bytes of the MPEG audio frame that begins with `header`; None where it is none, or of free format."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    bits_per_s = _MPEG_BITRATES_KBPS[is_first, layer][bitrate] * 1000
    padding = header[2] >> 1 & 1
    rate_hz = _MPEG_RATES_HZ[version][rate]
    if layer == 1:
        return (12 * bits_per_s // rate_hz + padding) * 4
    return (144 if is_first or layer == 2 else 72) * bits_per_s // rate_hz + padding


def _read(file: IO[bytes], start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _compare(end: int, size: int) -> Wholeness:
    return Wholeness.CUT if end > size + _TOLERANCE_BYTES else Wholeness.WHOLE


def _compare_promise(start: int, length: int | None, size: int) -> Wholeness:
    return Wholeness.UNKNOWN if length is None else _compare(start + length, size)


def _check_riff(file: IO[bytes], _: bytes, size: int) -> Wholeness:
    wave = read_wave(file)
    if wave is None:
        return Wholeness.CUT
    return _compare_promise(wave.data_at, wave.promised_bytes, size)


def _check_aiff(_: IO[bytes], head: bytes, size: int) -> Wholeness:
    length = int.from_bytes(head[4:8], "big")
    return _compare_promise(8, length if length < _PLACEHOLDER else None, size)


def _check_au(_: IO[bytes], head: bytes, size: int) -> Wholeness:
    start, length = struct.unpack(">II", head[4:12].ljust(8, b"\0"))
    return _compare_promise(start, length if 0 < length < _PLACEHOLDER else None, size)


def _check_w64(_: IO[bytes], head: bytes, size: int) -> Wholeness:
    length = int.from_bytes(head[16:24], "little")
    return _compare_promise(0, length if 0 < length < 1 << 62 else None, size)


def _check_caf(file: IO[bytes], _: bytes, size: int) -> Wholeness:
    """Chunks of Apple's Core Audio Format; the length of the sound may be left out."""
    position = 8
    for _chunk in range(_MAX_CHUNKS):
        name, length = struct.unpack(">4sq", _read(file, position, 12).ljust(12, b"\0"))
        if name == b"data" or length < 0:
            return _compare_promise(position + 12, length if length > 0 else None, size)
        position += 12 + length
        if position > size:
            break
    return Wholeness.CUT


def _check_iso(file: IO[bytes], _: bytes, size: int) -> Wholeness:
    """Boxes of ISO/IEC 14496-12 follow each other; what comes behind table and sound may be anything."""
    position, seen = 0, set[bytes]()
    for _box in range(_MAX_CHUNKS):
        header = _read(file, position, 16)
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if name not in _ISO_MEDIA and (length < 8 or position + length > size):
            return Wholeness.WHOLE if seen >= _ISO_NEEDED else Wholeness.CUT
        if length < 8:  # by the standard 0 is to the end of the file
            return Wholeness.UNKNOWN
        if position + length > size:
            return Wholeness.CUT
        seen.add(name)
        position += length
    return Wholeness.UNKNOWN


def _check_ebml(_: IO[bytes], head: bytes, size: int) -> Wholeness:
    """The EBML header (RFC 8794), then one Segment whose size a live recorder leaves unknown."""
    length, width = _ebml_size(head[4:12])
    start = 4 + width + (length or 0)
    if length is None or head[start : start + 4] != b"\x18\x53\x80\x67":
        return Wholeness.UNKNOWN
    length, width = _ebml_size(head[start + 4 : start + 12])
    return Wholeness.UNKNOWN if length is None else _compare(start + 4 + width + length, size)


def _ebml_size(field: bytes) -> tuple[int | None, int]:
    """The value of a variable-length size (None: unknown) and its width in bytes."""
    width = 9 - field[0].bit_length() if field else 9
    if width > len(field):
        return None, 0
    mask = (1 << 7 * width) - 1
    value = int.from_bytes(field[:width], "big") & mask
    return (None if value == mask else value), width


def _check_ogg(file: IO[bytes], _: bytes, size: int) -> Wholeness:
    """The last page must be complete and say that it is the last (RFC 3533); anything may follow it."""
    for start in range(size - _OGG_TAIL_BYTES, -_OGG_TAIL_BYTES - 1, -_OGG_PAGE_BYTES):
        tail = _read(file, max(0, start), _OGG_TAIL_BYTES)
        at = tail.rfind(b"OggS")
        if at >= 0:
            return _check_ogg_page(tail[at:])
        if size - start > _OGG_SEARCHED_BYTES:
            break
    return Wholeness.UNKNOWN


def _check_ogg_page(page: bytes) -> Wholeness:
    if len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return Wholeness.CUT
    return Wholeness.WHOLE if page[5] & 4 else Wholeness.UNKNOWN


def _check_mpeg(file: IO[bytes], head: bytes, size: int) -> Wholeness:
    """The Xing frame of variable-rate writers counts the bytes that follow it, itself included."""
    start = _after_id3(head)
    frame = _read(file, start, 256)
    found = re.search(rb"Xing|Info", frame)
    if found is None or mpeg_frame_bytes(frame) is None:
        return Wholeness.UNKNOWN
    flags, *fields = struct.unpack_from(">III", frame.ljust(512, b"\0"), found.end())
    if not flags & 2:
        return Wholeness.UNKNOWN
    end = start + fields[flags & 1]
    # much more than was counted is another recording behind it, whose length the frame does not tell
    return Wholeness.UNKNOWN if size > end + (end >> 4) else _compare(end, size)


def _after_id3(head: bytes) -> int:
    """Where the sound begins behind an ID3v2 tag, whose size is four times seven bits."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    a, b, c, d = head[6:10]
    footer = 10 if head[5] & 0x10 else 0
    return 10 + footer + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)


def _is_mpeg(head: bytes) -> bool:
    return head[:3] == b"ID3" or mpeg_frame_bytes(head) is not None


_ISO_FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
_ISO_NEEDED = {b"moov", b"mdat"}
_ISO_MEDIA = {b"moov", b"mdat", b"moof"}
_CHECKS: tuple[tuple[Callable[[bytes], bool], Callable[[IO[bytes], bytes, int], Wholeness]], ...] = (
    (lambda head: head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX") and head[8:12] == b"WAVE", _check_riff),
    (lambda head: head[:4] == b"FORM" and head[8:11] == b"AIF", _check_aiff),
    (lambda head: head[:4] == b".snd", _check_au),
    (lambda head: head[:4] == b"caff", _check_caf),
    (lambda head: head[:16] == W64, _check_w64),
    (lambda head: head[4:8] in _ISO_FIRST, _check_iso),
    (lambda head: head[:4] == b"\x1a\x45\xdf\xa3", _check_ebml),
    (lambda head: head[:4] == b"OggS", _check_ogg),
    (_is_mpeg, _check_mpeg),
)
