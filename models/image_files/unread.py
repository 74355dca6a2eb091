"""Kinds of image files that are known but not read, and what to say of them.

A file is called damaged only where it is: a kind that the decoders lack, or would show wrongly, is named instead.
"""

from __future__ import annotations

import struct

_MAX_SEGMENTS = 1_000
# Frames that libjpeg does not decode: lossless and hierarchical ones (ITU-T T.81, table B.1).
_STRANGE_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
_FRAMES = _STRANGE_FRAMES | {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_STANDALONE = {0x01, 0xFF, *range(0xD0, 0xD9)}
_BMP_COMPRESSIONS = {0: "plain", 1: "RLE8", 2: "RLE4", 3: "bit fields", 4: "JPEG", 5: "PNG", 6: "alpha bit fields"}


class UnreadKind(Exception):
    """An image of a kind that is not read. `reason` says which, in words meant for whoever sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def why_unread(head: bytes) -> str | None:
    """Of a file that its decoder refused: which unread kind it is, judged by its beginning; None where it is none."""
    try:
        if head.startswith(b"\xff\xd8"):
            return _why_not_jpeg(head)
        if head.startswith(b"BM"):
            return _why_not_bmp(head)
    except (struct.error, IndexError):  # it ends inside of its header
        pass
    return None


def _why_not_jpeg(head: bytes) -> str | None:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker in _FRAMES:
            bits = head[at + 4]
            if marker in _STRANGE_FRAMES:
                return "a lossless or hierarchical JPEG; save it as a baseline or progressive one"
            if bits != 8:
                return f"a JPEG of {bits} bits a sample; save it with 8"
            return None if head[at + 9] in {1, 3, 4} else f"a JPEG of {head[at + 9]} channels; save it as RGB"
        at += 1 if marker == 0xFF else 2
        if marker not in _STANDALONE:
            at += int(struct.unpack_from(">H", head, at)[0])
    return None


def _why_not_bmp(head: bytes) -> str | None:
    size = struct.unpack_from("<I", head, 14)[0]
    if size == 12:
        bits, compression = struct.unpack_from("<H", head, 24)[0], 0
    else:
        bits, compression = struct.unpack_from("<HI", head, 28)
    if compression in {0, 1, 2} and bits in {1, 4, 8, 16, 24, 32}:
        return None
    if bits not in {0, 1, 2, 4, 8, 16, 24, 32, 64} or compression not in _BMP_COMPRESSIONS:
        return None  # such kinds do not exist: it is damaged
    return f"a BMP of {bits} bits a pixel, stored as {_BMP_COMPRESSIONS[compression]}; save it as a plain one of 24"
