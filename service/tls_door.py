"""TLS before HTTP: a connection is counted, timed and may be given up from its opening on, not from its handshake.

An event loop that is given a TLS context shows a connection only once its handshake is complete; until then silent
ones would hold descriptors that nobody counts. So the loop listens without TLS, and the handshake is made here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from service.connections import Connections, Stage
from service.errors import StartupError


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """What the service proves itself with: PEM files, the chain first.

    Raises:
        StartupError: they cannot be read, or do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl's own errors are of this kind
        raise StartupError(
            f"PERCEPT_TLS_CERTIFICATE and PERCEPT_TLS_KEY: {certificate} and {key} are no pair that can be read"
        ) from error
    return context


class TlsDoor(asyncio.Protocol):
    """One connection until its handshake is complete; from there on it belongs to the protocol behind the door."""

    def __init__(
        self,
        behind: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        *,
        connections: Connections,
        timeout_s: float,
    ) -> None:
        self._behind = behind
        self._context = context
        self._register = connections
        self._timeout_s = timeout_s
        self._early = b""
        self._since = connections.clock()
        self._transport: asyncio.Transport
        self._handshake: Coroutine[Any, Any, asyncio.Transport | None]
        self._entered: asyncio.Protocol | None = None

    @property
    def stage(self) -> Stage:
        """It has not sent anything that counts."""
        return Stage.SILENT

    @property
    def since(self) -> float:
        """When it was opened."""
        return self._since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin the handshake, or be closed at once where there are too many connections already."""
        self._transport = transport
        if not self._register.enter(self):
            transport.abort()
            return
        # begun here, for a task would begin when the client may have sent its hello to nobody
        self._handshake = asyncio.get_running_loop().start_tls(
            transport, self, self._context, server_side=True, ssl_handshake_timeout=self._timeout_s
        )
        self._handshake.send(None).add_done_callback(self._on_handshake)

    def _on_handshake(self, _: asyncio.Future[Any]) -> None:
        tls = None
        try:
            self._handshake.send(None)
        except StopIteration as done:
            tls = done.value
        except OSError:
            pass  # TLS was not spoken, not in time, or the client left
        self._register.leave(self)
        if tls is None or self._transport.is_closing():  # one that is given up ends without an error
            self._transport.abort()
        else:
            self._enter(tls)

    def _enter(self, tls: asyncio.Transport) -> None:
        self._entered = self._behind()
        tls.set_protocol(self._entered)
        self._entered.connection_made(tls)
        if self._early:
            self._entered.data_received(self._early)

    def data_received(self, data: bytes) -> None:
        """Keep what came together with the end of the handshake."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, where it was lost at the moment of entering."""
        if self._entered:
            self._entered.connection_lost(exc)

    def give_up(self) -> None:
        """End at once."""
        self._transport.abort()

    def look(self, now: float) -> None:
        """The event loop times the handshake."""
