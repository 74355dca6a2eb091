"""`python -m service`: settings from the environment → the application → uvicorn, until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, NoReturn, TextIO

import uvicorn

from service import logs
from service.app import create_app
from service.chatter import Chatter
from service.connections import Connections, affordable
from service.ending import LAST_WORDS_S, Ending
from service.errors import StartupError
from service.http_protocol import HttpProtocol
from service.settings import Settings, log_format, read_settings
from service.tls_door import TlsDoor, tls_context

_BACKLOG = 2048
_CONFIGURATION_ERROR = 2
_log = logging.getLogger("percept")


class Server(uvicorn.Server):
    """uvicorn that looks after its connections, and from the moment of SIGTERM is not ready, goes on answering for
    `drain_s`, and then ends."""

    def __init__(self, app: object, settings: Settings, stop_admitting: Callable[[], None]) -> None:
        self._connections = Connections(affordable(settings.max_connections))
        super().__init__(_config(app, settings, self._connections))
        self._settings = settings
        self._stop_admitting = stop_admitting
        self._is_draining = False
        self._ending = Ending(settings.shutdown_timeout_s, time.monotonic)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends at once: what still runs is answered with 503."""
        drain_s = 0.0 if self._is_draining else self._settings.drain_s
        if self._is_draining:
            self._ending.hurry()
        self._is_draining = True
        self._stop_admitting()
        if self.should_exit:
            return  # uvicorn's own way to hurry leaves out the application's end
        if drain_s == 0.0:
            super().handle_exit(sig, frame)
            return
        _log.info("answering for another %g s", drain_s)
        timer = threading.Timer(drain_s, super().handle_exit, (sig, None))
        timer.daemon = True
        timer.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, see the running requests to their end, and then end the application."""
        state = self.server_state
        ending = asyncio.create_task(self._ending.await_all(state.tasks, state.connections))
        await super().shutdown(sockets)
        await ending
        self._watch.cancel()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # only passed on
        """Start to listen, and say where."""
        await super().startup(sockets)  # type: ignore[arg-type]  # the same argument
        self._watch = asyncio.create_task(self._connections.watch())
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            _greet(self._settings, port)


def _greet(settings: Settings, port: int) -> None:
    scheme = "https" if settings.tls_certificate else "http"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    url = f"{scheme}://{host}:{port}"
    print(
        f"\nPercept listens on {url}  (API: {url}/docs)\n\n"
        f"  curl {url}/health/ready\n"
        f"  curl -F file=@photo.jpg {url}/classify-image\n",
        flush=True,
    )


def main() -> int:
    """Serve until a signal; 0 after a clean end, 2 where the configuration is wrong."""
    libraries = logs.Libraries()
    chatter = Chatter(libraries.hear)
    stream = chatter.start()
    try:
        status, is_idle = _serve(libraries, stream)
    except StartupError as error:
        _refuse(error, libraries, stream)
        return _CONFIGURATION_ERROR
    finally:
        chatter.stop()
    if not is_idle:
        _leave(status)
    return status


def _serve(libraries: logs.Libraries, stream: TextIO) -> tuple[int, bool]:
    """The process's status, and whether every thread that matters has ended.

    Raises:
        StartupError: the configuration is wrong.
    """
    settings = read_settings()
    logs.configure(settings.log_format, settings.log_level, libraries, stream)
    app = create_app(settings)
    services = app.state.services
    services.telemetry.watch_libraries(libraries.counts)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)  # uvicorn raises the signal again when it has ended cleanly
    server = Server(app, settings, services.stop_admitting)
    server.run()
    return 0 if server.started else 1, bool(services.lanes_ended)


def _refuse(error: StartupError, libraries: logs.Libraries, stream: TextIO) -> None:
    """One sentence, in the log's format as far as that can be told."""
    if log_format() == "text":
        print(f"percept: {error.detail}", file=stream)
        return
    logs.configure("json", "info", libraries, stream)
    _log.critical("%s", error.detail)


def _leave(status: int) -> NoReturn:
    """End without the interpreter's own end, in which a thread that returns from a library's code aborts."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _config(app: object, settings: Settings, connections: Connections) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn's own alias of ASGI applications is narrower than starlette's
        http=_doors(settings, connections),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        host=settings.host,
        port=settings.port,
        backlog=_BACKLOG,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        # the last resort behind `Ending`, which says why and lets requests answer
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout_s + 2 * LAST_WORDS_S),
    )


def _doors(settings: Settings, connections: Connections) -> Callable[..., asyncio.Protocol]:
    """What makes the protocol of a connection from uvicorn's arguments.

    Raises:
        StartupError: the TLS files are wrong.
    """
    timeout_s = settings.header_timeout_s
    http = partial(HttpProtocol, connections=connections, header_timeout_s=timeout_s)
    if settings.tls_certificate is None:
        return http
    context = tls_context(settings.tls_certificate, settings.tls_key)

    def door(**uvicorns: Any) -> TlsDoor:
        return TlsDoor(partial(http, **uvicorns), context, connections=connections, timeout_s=timeout_s)

    return door


if __name__ == "__main__":
    sys.exit(main())
