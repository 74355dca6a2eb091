"""A connection without a network: the service's HTTP protocol over a transport that keeps what is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from service.api.middleware import RequestScope
from service.connections import Connections
from service.http_protocol import HttpProtocol
from service.telemetry import Telemetry

App = Callable[[Scope, Receive, Send], Awaitable[None]]
HEADER_TIMEOUT_S = 10.0
T = TypeVar("T")


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Transport(asyncio.Transport):
    """Keeps what is written, and tells its protocol when it is closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("203.0.113.9", 1), "sockname": ("127.0.0.1", 8000)})
        self.protocol: asyncio.Protocol
        self.written = bytearray()
        self.is_reading_now = True
        self.has_said_eof = False
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_said_eof = True


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and answer with what was understood."""
    body, is_more = b"", True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, is_more = body + message["body"], message["more_body"]
    heard = {
        "method": scope["method"], "path": scope["path"], "body": body.decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
    }  # fmt: skip
    content = json.dumps(heard).encode()
    await send({
        "type": "http.response.start", "status": 200,
        "headers": [(b"content-length", b"%d" % len(content))],
    })  # fmt: skip
    await send({"type": "http.response.body", "body": content})


@dataclass(frozen=True)
class Answer:
    """One answer on the wire."""

    status: int
    headers: dict[str, str]
    content: dict[str, Any]


class Wire:
    """One connection; to be used within a running loop."""

    def __init__(self, app: App = echo, connections: Connections | None = None, time: Time | None = None) -> None:
        self.time = time or Time()
        self.telemetry = Telemetry()
        outermost: Any = RequestScope(app, self.telemetry, self.time)
        config = Config(outermost, lifespan="off", ws="none", log_config=None, access_log=False)
        config.load()
        self.connections = Connections(100, self.time) if connections is None else connections
        self.transport = Transport()
        self.protocol = HttpProtocol(
            config, ServerState(), {}, connections=self.connections, header_timeout_s=HEADER_TIMEOUT_S
        )
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    async def send(self, *pieces: bytes) -> None:
        """Let these arrive one after another, as fast as they are read."""
        for piece in pieces:
            await self._until(lambda: self.transport.is_reading_now or self.transport.is_closing())
            if not self.transport.is_closing():
                self.protocol.data_received(piece)
                await asyncio.sleep(0)
        await self.settle()

    async def settle(self) -> None:
        """Let what was begun go as far as it can."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def _until(self, condition: Callable[[], bool]) -> None:
        for _ in range(100_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came true")

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and the register look."""
        self.time.now += seconds
        self.connections.look()
        await self.settle()

    @property
    def answers(self) -> list[Answer]:
        """What was answered so far."""
        return list(_answers(bytes(self.transport.written)))


def _answers(written: bytes) -> Iterable[Answer]:
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        yield Answer(int(first.split()[1]), headers, json.loads(rest[:length] or b"{}"))
        written = rest[length:]


def held_back(opened: asyncio.Event) -> App:
    """As `echo`, once it is opened."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await opened.wait()
        await echo(scope, receive, send)

    return app


def run(scene: Coroutine[Any, Any, T]) -> T:
    """What the scene gives, within reasonable time."""
    return asyncio.run(asyncio.wait_for(scene, 30))
