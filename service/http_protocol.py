"""One connection from its opening to its end: how a refusal is answered, and when it has taken too long.

A refusal is an answer like every other: it waits for the answers before it, and goes through the application, which
gives it an id, a line in the log and its place in the metrics. Then the connection is closed, but not before the
client had a moment to read. A header has its time, and so has a client that takes nothing of what it is sent. It does
not know how requests are parsed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from service.connections import Connections, Stage
from service.errors import PerceptError, RequestTimeout
from service.flow import Farewell
from service.request_parser import RequestParser

_LINGER_S = 2.0
_LINGER_BYTES = 8 << 20
_STALL_S = 30.0  # for a client that takes nothing of what it is sent


class HttpProtocol(RequestParser):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
        header_timeout_s: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._register = connections
        self._header_timeout_s = header_timeout_s
        self._since = connections.clock()
        self._stalled_since: float | None = None
        self._is_lingering = False
        self._lingered_bytes = 0

    # What the event loop, the parser and responses call

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take part, or be closed at once where there are too many already."""
        super().connection_made(transport)
        if not self._register.enter(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be forgotten."""
        self._register.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, or throw it away where the connection ends."""
        if not self.is_refused:
            super().data_received(data)
            return
        self._lingered_bytes += len(data)
        if self._lingered_bytes > _LINGER_BYTES:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        self._stalled_since = self._register.clock()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It took some."""
        self._stalled_since = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A header begins."""
        self._since = self._register.clock()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A body begins."""
        self._since = self._register.clock()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A client has its answer."""
        self._since = self._register.clock()
        super().on_response_complete()

    # What the register of connections asks

    @property
    def stage(self) -> Stage:
        """What the connection is doing."""
        if self._is_lingering or self.transport.is_closing():
            return Stage.ENDING
        if self.cycle is not None and not self.cycle.response_complete:
            return Stage.UPLOADING if self.cycle.more_body else Stage.BUSY
        return Stage.SILENT if self.cycle is None or self.is_header_begun else Stage.IDLE

    @property
    def since(self) -> float:
        """Since when, in seconds of the register's clock."""
        return self._since

    def give_up(self) -> None:
        """End at once."""
        self.transport.abort()

    def look(self, now: float) -> None:
        """End where the header takes too long, or the client takes nothing of what it is sent."""
        stage, seconds = self.stage, now - self._since
        stalled_s = seconds if stage is Stage.ENDING else now - (self._stalled_since or now)
        if stalled_s > _STALL_S:
            self.transport.abort()
        elif stage is Stage.SILENT and seconds > self._header_timeout_s:
            self._end_silence()
        elif stage is Stage.IDLE and seconds > self.timeout_keep_alive + self._header_timeout_s:
            self.transport.close()  # uvicorn's own timer ends with the first byte, and that may have been a line end
        elif self._is_lingering and seconds > _LINGER_S:
            self.transport.close()

    # Refusals, and the end

    def _end_silence(self) -> None:
        if self.is_header_begun:
            self.refuse(RequestTimeout(f"the header was not complete within {self._header_timeout_s:g} s"))
        else:
            self.transport.close()

    def refuse(self, error: PerceptError) -> None:
        """Parse no more; the request at hand is answered with the error, after those before it."""
        self.is_refused = True
        if self.is_in_header:
            self._start_refused(error)
            return
        self.incoming.refusal = error
        cycle = self.cycle
        cycle.keep_alive = False
        cycle.transport = Farewell(self.transport, self._linger)  # type: ignore[assignment]  # all that a cycle uses
        cycle.message_event.set()
        if cycle.response_complete:
            self._linger()

    def _start_refused(self, error: PerceptError) -> None:
        """Ask the application with a request of which nothing is known but its method."""
        method = self.parser.get_method().decode("ascii") if self.incoming.is_begun else "-"
        self.on_message_begin()
        self.incoming.refusal = error
        self.scope.update({"method": method, "path": "/", "raw_path": b"/", "query_string": b""})
        cycle = RequestResponseCycle(
            scope=self.scope,
            transport=Farewell(self.transport, self._linger),  # type: ignore[arg-type]  # all that a cycle uses
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.pipeline.appendleft((cycle, self.app))

    def _linger(self) -> None:
        """Say that no more will come, and let the client read: closing on unread data would take the answer away."""
        if self.transport.is_closing():
            return
        self._is_lingering = True
        self._since = self._register.clock()
        if self.transport.can_write_eof():
            self.transport.write_eof()
