"""Between one response and its transport: whether reading goes on, and how the connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's flow control, where reading stays held though a response asks for more."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_held = False

    def hold(self, is_held: bool) -> None:
        """Read no more, or read again."""
        if is_held:
            self.pause_reading()
            self._is_held = True
        elif self._is_held:
            self._is_held = False
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless it is held."""
        if not self._is_held:
            super().resume_reading()


class Farewell:
    """What a response sees of the transport; closing it lingers."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
