"""Requests from the bytes of a connection: uvicorn's protocol over httptools, with rules and limits it leaves out.

- An upgrade that is not served is ignored and the body read (RFC 9110, 7.8). llhttp skips the body of such a request
  and takes what follows for another protocol, so the header is parsed once more without its `Upgrade`.
- Header lines, trailers and framing are bounded and judged while they arrive (`service.incoming`).
- Of requests that are sent ahead no more is parsed than the next one, and of small pieces only some at a turn.

Nothing is upgraded to yet. What uvicorn does not document of its class is pinned by the tests of this module. It does
not know how a refusal is answered, or when a connection has to end.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.errors import MalformedRequest, MethodNotAllowed, PerceptError
from service.flow import Flow
from service.incoming import STATE, Incoming

_PIECE_BYTES = 2048  # of a header at a time, so that what has no end is soon known; declared bodies go whole
_TURN_BYTES = 16 << 10  # then others have theirs: small chunks and requests cost far more than their bytes


class RequestParser(HttpToolsProtocol):
    """What is read of one connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        self.incoming = Incoming()
        self.is_in_header = True
        self.is_header_begun = False
        self.is_refused = False
        self._unparsed: bytes | memoryview = b""
        self._body_left = 0  # of the declared length
        self._body_bytes = 0  # brought by the piece that is being parsed
        self._is_upgrade = False

    @abstractmethod
    def refuse(self, error: PerceptError) -> None:
        """Answer the request at hand with the error; nothing more is parsed."""

    # What the event loop and responses call

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin."""
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it may be."""
        if self._unparsed or self.pipeline or len(data) > max(_PIECE_BYTES, self._body_left):
            self._unparsed = b"".join((self._unparsed, data)) if self._unparsed else data
            self._parse()
        else:  # as nearly always
            self._unset_keepalive_if_required()
            self._feed(data)

    def on_response_complete(self) -> None:
        """Go on with the request that waits, or with what was not parsed yet."""
        super().on_response_complete()
        if not self._may_parse:
            return
        self._parse()
        if self.is_header_begun:
            self._unset_keepalive_if_required()  # from here on it is the header's time that counts

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.incoming = Incoming()
        self.is_header_begun = True
        self.scope["state"][STATE] = self.incoming

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self.incoming.target(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer: that is dropped, for the application has the header already."""
        if self.is_in_header:
            self.incoming.field(name, value)
            super().on_header(name, value)
        else:
            self.incoming.line(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, unless its header is to be parsed once more."""
        if self.parser.should_upgrade():
            self._is_upgrade = True
            return
        self.incoming.complete(self.parser.get_http_version())
        super().on_headers_complete()
        self._body_left = self.incoming.body_bytes
        self.is_in_header = self.is_header_begun = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        self._body_left = max(0, self._body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self._is_upgrade:
            self.is_in_header = True
            super().on_message_complete()

    # Parsing

    def _parse(self) -> None:
        if not self._unparsed:
            return
        self._unset_keepalive_if_required()
        wire, position = memoryview(self._unparsed), 0
        while position < min(len(wire), _TURN_BYTES) and self._may_parse:
            piece = wire[position : position + max(_PIECE_BYTES, self._body_left)]
            position += len(piece)
            self._feed(piece)
        self._unparsed = b"" if self.is_refused else wire[position:]
        self.flow.hold(bool(self._unparsed))
        if self._unparsed and self._may_parse:
            self.loop.call_soon(self._parse)

    @property
    def _may_parse(self) -> bool:
        return not (self.pipeline or self.is_refused or self.transport.is_closing())

    def _feed(self, piece: bytes | memoryview) -> None:
        was_in_header, self._body_bytes = self.is_in_header, 0
        try:
            self.parser.feed_data(piece)
            if self.is_in_header and was_in_header:
                self.incoming.wait(len(piece))
            elif self.incoming.is_chunked and not self.is_in_header:
                self.incoming.frame(len(piece), self._body_bytes)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_again(memoryview(piece)[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, PerceptError) else self._no_http())
        except PerceptError as error:
            self.refuse(error)

    def _parse_again(self, rest: memoryview) -> None:
        """The header without its `Upgrade`, and then what stands behind it."""
        method, self._is_upgrade = self.parser.get_method(), False
        if method == b"CONNECT":
            self.refuse(MethodNotAllowed("CONNECT is for proxies, and this is none"))
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % line for line in self.headers if line[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        for piece in (memoryview(b"\r\n".join([*lines, b"", b""])), rest):
            if piece and not self.is_refused:
                self._feed(piece)

    def _no_http(self) -> MalformedRequest:
        if self.url == b"*" and self.parser.get_method() == b"PRI":
            return MalformedRequest("HTTP/2 is not spoken here; ask with HTTP/1.1")
        return MalformedRequest("this is no valid HTTP/1.1; let a client library build the request")
