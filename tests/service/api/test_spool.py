"""A spooled upload is what was written, whatever its pieces, and nothing of it stays."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.spool import SpooledSink
from service.errors import NotReady

MIB = 1 << 20


async def spooled(pieces: list[bytes]) -> tuple[bytes, int, IO[bytes]]:
    sink = SpooledSink()
    for piece in pieces:
        await sink.write(piece)
    file = await sink.file()
    content = file.read()
    size = sink.size
    sink.close()
    return content, size, file


@given(st.lists(st.integers(0, 3 * MIB), max_size=6))
def test_what_was_written_is_read(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    content, size, _ = asyncio.run(spooled(pieces))
    assert content == b"".join(pieces)
    assert size == sum(sizes)


def test_a_large_file_has_no_name_and_is_gone_when_closed() -> None:
    async def run() -> tuple[SpooledSink, IO[bytes]]:
        sink = SpooledSink()
        await sink.write(bytes(3 * MIB))
        return sink, await sink.file()

    sink, file = asyncio.run(run())
    descriptor = file.fileno()
    assert "(deleted)" in str(Path(f"/proc/self/fd/{descriptor}").readlink())
    sink.close()
    assert file.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


class FullDisk(io.BytesIO):
    """A file that takes nothing."""

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_said_in_words_and_later_it_may_work() -> None:
    async def run() -> None:
        sink = SpooledSink(FullDisk)
        with pytest.raises(NotReady, match="no room") as raised:
            await sink.write(bytes(2 * MIB))
        assert raised.value.retry_after_s > 0
        sink.close()

    asyncio.run(run())


def test_no_disk_at_all() -> None:
    def nowhere() -> IO[bytes]:
        raise FileNotFoundError("no usable temporary directory")

    async def run() -> None:
        with pytest.raises(NotReady):
            await SpooledSink(nowhere).write(bytes(2 * MIB))

    asyncio.run(run())
