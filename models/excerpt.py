"""Parts of a file, and bytes between them, read one behind the other as if they were a file; nothing is copied."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import IO, Any

Part = tuple[int, int] | bytes
"""Where a part begins, and its bytes; or bytes that stand for themselves."""


def excerpt(source: IO[bytes], parts: Sequence[Part]) -> io.BufferedReader:
    """The parts of `source`, which must stay open and be read by nobody else; every read is as long as it can be."""
    return io.BufferedReader(Excerpt(source, parts), 1 << 16)


class Excerpt(io.RawIOBase):
    """The same without a buffer, for those who ask for much at once: a read ends where a part does."""

    def __init__(self, source: IO[bytes], parts: Sequence[Part]) -> None:
        super().__init__()
        self._source = source
        self._parts = parts
        self._ends = list(accumulate(len(part) if isinstance(part, bytes) else part[1] for part in parts))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self._ends[-1] if self._ends else 0
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        return self.readall() if size < 0 else self._next(size)

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next(self, count: int) -> bytes:
        index = bisect_right(self._ends, self._at)
        if index == len(self._parts):
            return b""
        left = self._ends[index] - self._at
        part = self._parts[index]
        if isinstance(part, bytes):
            data = part[len(part) - left :][:count]
        else:
            begin, length = part
            self._source.seek(begin + length - left)
            data = self._source.read(min(left, count))
        self._at += len(data)
        return data
