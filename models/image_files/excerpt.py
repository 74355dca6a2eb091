"""Parts of a file, read one behind the other as if they were a file of their own; nothing is copied."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import IO, Any


def excerpt(source: IO[bytes], parts: Sequence[tuple[int, int]]) -> io.BufferedReader:
    """The parts (where each begins, and its bytes) of `source`, which must stay open and be read by nobody else."""
    return io.BufferedReader(_Excerpt(source, parts), 1 << 16)


class _Excerpt(io.RawIOBase):
    def __init__(self, source: IO[bytes], parts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._source = source
        self._parts = parts
        self._ends = list(accumulate(length for _, length in parts))
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

    def readinto(self, buffer: Any) -> int:
        index = bisect_right(self._ends, self._at)
        if index == len(self._parts):
            return 0
        left = self._ends[index] - self._at
        begin, length = self._parts[index]
        self._source.seek(begin + length - left)
        data = self._source.read(min(left, len(buffer)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
