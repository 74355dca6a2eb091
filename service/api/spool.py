"""Where a recording goes while it is uploaded: memory as long as it is small, then a file without a name.

The file is unlinked from the start, so that nothing is left behind however the process ends. Pieces are gathered, and
the disk is written on a thread, so the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Callable
from typing import IO

from service.errors import NotReady

_IN_MEMORY_BYTES = 1 << 20


class SpooledSink:
    """Keeps a file of any size; `file` is what was written, from its beginning."""

    def __init__(self, open_file: Callable[[], IO[bytes]] = tempfile.TemporaryFile) -> None:
        self._open_file = open_file
        self._pending = bytearray()
        self._spooled: IO[bytes] | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size

    async def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            NotReady: the disk is full, or there is none to write to.
        """
        self._pending += data
        self._size += len(data)
        if len(self._pending) > _IN_MEMORY_BYTES:
            piece, self._pending = bytes(self._pending), bytearray()
            await asyncio.to_thread(self._spool, piece)

    async def file(self) -> IO[bytes]:
        """The whole, seekable and at its beginning; to be closed by whoever works with it, or by `close`.

        Raises:
            NotReady: as in `write`.
        """
        if self._spooled is None:
            return io.BytesIO(bytes(self._pending))
        await asyncio.to_thread(self._spool, bytes(self._pending))
        self._spooled.seek(0)
        return self._spooled

    def _spool(self, piece: bytes) -> None:
        try:
            if self._spooled is None:
                self._spooled = self._open_file()
            self._spooled.write(piece)
            self._spooled.flush()
        except OSError as error:
            raise NotReady("there is no room to keep the upload; send less, or try again later", 10.0) from error

    def close(self) -> None:
        """Let go of the file; it is gone with that."""
        if self._spooled is not None:
            self._spooled.close()
