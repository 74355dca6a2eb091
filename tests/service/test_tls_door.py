"""Behind the door is what came through it; whoever does not come through is gone in time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from service.connections import Connections
from service.errors import StartupError
from service.tls_door import TlsDoor, tls_context
from tests.certificates import certificate

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [uvloop.new_event_loop, asyncio.new_event_loop]
TIMEOUT_S = 0.3
Files = tuple[Path, Path, ssl.SSLContext]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return certificate(tmp_path_factory.mktemp("tls"))


class Echo(asyncio.Protocol):
    """Says back what it hears."""

    made: list[Echo]

    def __init__(self, made: list[Echo]) -> None:
        made.append(self)
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]  # a stream's

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class Open:
    """A listening door."""

    def __init__(self, files: Files, limit: int = 100) -> None:
        self.connections = Connections(limit)
        self.believed = files[2]
        self.made: list[Echo] = []
        self._context = tls_context(*files[:2])
        self.port = 0

    def door(self) -> TlsDoor:
        return TlsDoor(lambda: Echo(self.made), self._context, connections=self.connections, timeout_s=TIMEOUT_S)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Open]:
        server = await asyncio.get_running_loop().create_server(self.door, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def connect_tls(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.believed)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10.0):
            while not condition():  # noqa: ASYNC110 - a door tells nobody
                await asyncio.sleep(0.01)


def run(loop: Callable[[], asyncio.AbstractEventLoop], scene: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scene, 30.0))


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_said_through_the_door_is_heard(files: Files, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scene() -> None:
        async with Open(files).listening() as door:
            reader, writer = await door.connect_tls()
            for word in (b"one", b"two"):
                writer.write(word)
                assert await reader.readexactly(3) == word
            assert len(door.connections) == 0  # from here on it is the protocol's to enter
            writer.close()
            await door.until(lambda: door.made[0].is_lost)

    run(loop, scene())


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_said_with_the_last_word_of_the_handshake_is_heard_too(
    files: Files, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """By a client that writes its end of the handshake and its first words as one packet."""

    def client(port: int) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = files[2].wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    wire.sendall(outgoing.read())
                    incoming.write(wire.recv(1 << 16))
            tls.write(b"early")
            wire.sendall(outgoing.read())
            while True:
                try:
                    return tls.read(9)
                except ssl.SSLWantReadError:
                    incoming.write(wire.recv(1 << 16))

    async def scene() -> None:
        async with Open(files).listening() as door:
            assert await asyncio.to_thread(client, door.port) == b"early"

    run(loop, scene())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"])
def test_whoever_does_not_speak_tls_is_gone_in_time(
    files: Files, loop: Callable[[], asyncio.AbstractEventLoop], said: bytes
) -> None:
    async def scene() -> None:
        async with Open(files).listening() as door:
            reader, writer = await door.connect()
            writer.write(said)
            assert len(await reader.read()) < 100  # at most an alert, and then the end
            await door.until(lambda: len(door.connections) == 0)
            assert door.made == []
            writer.close()

    run(loop, scene())


@pytest.mark.parametrize("loop", LOOPS)
def test_silent_ones_give_way(files: Files, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scene() -> None:
        async with Open(files, limit=3).listening() as door:
            silent = [await door.connect() for _ in range(6)]
            reader, writer = await door.connect_tls()
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert len(door.made) == 1
            for _, each in (*silent, (reader, writer)):
                each.close()

    run(loop, scene())


def test_files_that_do_not_belong_together_end_the_start_in_words(files: Files, tmp_path: Path) -> None:
    other = certificate(tmp_path)
    for chain, key in ((files[0], other[1]), (files[1], files[1]), (Path("nowhere"), files[1])):
        with pytest.raises(StartupError, match="no pair that can be read"):
            tls_context(chain, key)
