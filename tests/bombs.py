"""Small files that claim, or unfold to, very much: what a hostile client sends. Each is made within a second."""

from __future__ import annotations

import zlib


def squeezed(piece: bytes, times: int) -> bytes:
    """A whole zlib stream (RFC 1950) of a piece that repeats, without compressing it again and again."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = stream.compress(piece) + stream.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(piece, checksum)
    return b"\x78\xda" + block * times + b"\x03\0" + checksum.to_bytes(4, "big")
