"""HTTP/1.1 on one connection: uvicorn's protocol over httptools, with the rules and limits that it leaves out.

- An upgrade that is not served is ignored and the body read (RFC 9110, 7.8). llhttp skips the body of such a request
  and takes what follows for another protocol, so the header is parsed once more without its `Upgrade`.
- Header lines, trailers and framing are bounded and judged while they arrive (`service.incoming`).
- Of requests that are sent ahead no more is parsed than the next one.
- A refusal is an answer like every other: it waits for the answers before it, and goes through the application, which
  gives it an id, a line in the log and its place in the metrics. Then the connection is closed, but not before the
  client had a moment to read.

Nothing is upgraded to yet. What uvicorn does not document of its class is pinned by the tests of this module.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.connections import Connections, Stage
from service.errors import MalformedRequest, MethodNotAllowed, PerceptError, RequestTimeout
from service.flow import Farewell, Flow
from service.incoming import STATE, Incoming

_PIECE_BYTES = 2048  # of a header at a time, so that what has no end is soon known; declared bodies go whole
_TURN_BYTES = 16 << 10  # then others have theirs: small chunks and requests cost far more than their bytes
_LINGER_S = 2.0
_LINGER_BYTES = 8 << 20
_STALL_S = 30.0  # for a client that takes nothing of what it is sent


class HttpProtocol(HttpToolsProtocol):
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
        self.url = b""
        self._register = connections
        self._header_timeout_s = header_timeout_s
        self._since = connections.clock()
        self._stalled_since: float | None = None
        self._incoming = Incoming()
        self._unparsed: bytes | memoryview = b""
        self._body_left = 0  # of the declared length
        self._body_bytes = 0  # brought by the piece that is being parsed
        self._is_in_header = True
        self._is_header_begun = False
        self._is_upgrade = False
        self._is_refused = False
        self._is_lingering = False
        self._lingered_bytes = 0

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take part, or be closed at once where there are too many already."""
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)
        if not self._register.enter(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be forgotten."""
        self._register.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it may be."""
        if self._is_refused:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > _LINGER_BYTES:
                self.transport.abort()
        elif self._unparsed or self.pipeline or len(data) > max(_PIECE_BYTES, self._body_left):
            self._unparsed = b"".join((self._unparsed, data)) if self._unparsed else data
            self._parse()
        else:  # as nearly always
            self._unset_keepalive_if_required()
            self._feed(data)

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        self._stalled_since = self._register.clock()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It took some."""
        self._stalled_since = None
        super().resume_writing()

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._incoming = Incoming()
        self.scope["state"][STATE] = self._incoming

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._incoming.target(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer: that is dropped, for the application has the header already."""
        if self._is_in_header:
            self._incoming.field(name, value)
            super().on_header(name, value)
        else:
            self._incoming.line(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, unless its header is to be parsed once more."""
        if self.parser.should_upgrade():
            self._is_upgrade = True
            return
        self._incoming.complete(self.parser.get_http_version())
        super().on_headers_complete()
        self._body_left = self._incoming.body_bytes
        self._is_in_header = self._is_header_begun = False
        self._since = self._register.clock()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        self._body_left = max(0, self._body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self._is_upgrade:
            self._is_in_header = True
            super().on_message_complete()

    # What a response calls

    def on_response_complete(self) -> None:
        """Go on with the request that waits, or with what was not parsed yet."""
        self._since = self._register.clock()
        super().on_response_complete()
        if not self._may_parse:
            return
        if self._unparsed:
            self._parse()
        if self._is_header_begun:
            self._unset_keepalive_if_required()  # from here on it is the header's time that counts

    # What the register of connections asks

    @property
    def stage(self) -> Stage:
        """What the connection is doing."""
        if self._is_lingering or self.transport.is_closing():
            return Stage.ENDING
        if self.cycle is not None and not self.cycle.response_complete:
            return Stage.UPLOADING if self.cycle.more_body else Stage.BUSY
        return Stage.SILENT if self.cycle is None or self._is_header_begun else Stage.IDLE

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
        elif self._is_lingering and seconds > _LINGER_S:
            self.transport.close()

    # Parsing

    def _parse(self) -> None:
        self._unset_keepalive_if_required()
        wire, position = memoryview(self._unparsed), 0
        while position < min(len(wire), _TURN_BYTES) and self._may_parse:
            piece = wire[position : position + max(_PIECE_BYTES, self._body_left)]
            position += len(piece)
            self._feed(piece)
        self._unparsed = b"" if self._is_refused else wire[position:]
        self.flow.hold(bool(self._unparsed))
        if self._unparsed and self._may_parse:
            self.loop.call_soon(self._parse)

    @property
    def _may_parse(self) -> bool:
        return not (self.pipeline or self._is_refused or self.transport.is_closing())

    def _feed(self, piece: bytes | memoryview) -> None:
        was_in_header, self._body_bytes = self._is_in_header, 0
        if was_in_header and not self._is_header_begun:
            self._is_header_begun = True
            self._since = self._register.clock()
        try:
            self.parser.feed_data(piece)
            if self._is_in_header and was_in_header:
                self._incoming.wait(len(piece))
            elif self._incoming.is_chunked and not self._is_in_header:
                self._incoming.frame(len(piece), self._body_bytes)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_again(memoryview(piece)[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, PerceptError) else self._no_http())
        except PerceptError as error:
            self._refuse(error)

    def _parse_again(self, rest: memoryview) -> None:
        """The header without its `Upgrade`, and then what stands behind it."""
        method, self._is_upgrade = self.parser.get_method(), False
        if method == b"CONNECT":
            self._refuse(MethodNotAllowed("CONNECT is for proxies, and this is none"))
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % line for line in self.headers if line[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        for piece in (memoryview(b"\r\n".join([*lines, b"", b""])), rest):
            if piece and not self._is_refused:
                self._feed(piece)

    # The end

    def _no_http(self) -> MalformedRequest:
        if self.url == b"*" and self.parser.get_method() == b"PRI":
            return MalformedRequest("HTTP/2 is not spoken here; ask with HTTP/1.1")
        return MalformedRequest("this is no valid HTTP/1.1; let a client library build the request")

    def _end_silence(self) -> None:
        if self._is_header_begun:
            self._refuse(RequestTimeout(f"the header was not complete within {self._header_timeout_s:g} s"))
        else:
            self.transport.close()

    def _refuse(self, error: PerceptError) -> None:
        """Parse no more; the request at hand is answered with the error, after those before it."""
        self._is_refused = True
        if self._is_in_header:
            self._start_refused(error)
            return
        self._incoming.refusal = error
        cycle = self.cycle
        cycle.keep_alive = False
        cycle.transport = Farewell(self.transport, self._linger)  # type: ignore[assignment]  # all that a cycle uses
        cycle.message_event.set()
        if cycle.response_complete:
            self._linger()

    def _start_refused(self, error: PerceptError) -> None:
        """Ask the application with a request of which nothing is known but its method."""
        method = self.parser.get_method().decode("ascii") if self._incoming.is_begun else "-"
        self.on_message_begin()
        self._incoming.refusal = error
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
