"""Bodies that come slowly take nothing from others, and not for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.artifacts import picture, publish
from tests.contract.problems import PATIENCE_S, await_true, connection, read_answer
from tests.served import Served, served

pytestmark = pytest.mark.xdist_group("slow-uploads")
NAME = "brightness"
QUEUE_LENGTH = 64  # the default
SIZE = 2_000_000
PIECE, EVERY_S = b"x" * 4_400, 0.25  # 17.6 kB a second, above the least rate


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("store")
    publish(root, NAME)
    return root


@pytest.fixture(scope="module")
def service(store: Path) -> Iterator[Served]:
    with served(artifacts=str(store), models=NAME) as running:
        yield running


def head(*lines: str) -> bytes:
    given = "".join(f"{line}\r\n" for line in lines)
    return (
        "POST /classify-image HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Content-Length: {SIZE}\r\n{given}\r\n"
    ).encode()


@contextmanager
def slow_uploads(service: Served, count: int, *lines: str) -> Iterator[list[socket.socket]]:
    """So many clients that send a little now and then."""
    is_over = threading.Event()

    def send() -> None:
        while not is_over.wait(EVERY_S):
            for wire in wires:
                with suppress(OSError):
                    wire.sendall(PIECE)

    with ExitStack() as held:
        wires = [held.enter_context(connection(service)) for _ in range(count)]
        for wire in wires:
            wire.sendall(head(*lines))
        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield wires
        finally:
            is_over.set()
            sender.join()


def ask(service: Served) -> int:
    return httpx.post(f"{service.url}/classify-image", files={"file": picture(200)}, timeout=PATIENCE_S).status_code


def test_as_many_slow_uploads_as_there_are_places_refuse_nobody_else(service: Served) -> None:
    with slow_uploads(service, QUEUE_LENGTH):
        await_true(lambda: service.metric("percept_in_flight_requests") == QUEUE_LENGTH)
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            assert ask(service) == 200
        assert service.metric("percept_in_flight_requests") == QUEUE_LENGTH
    await_true(lambda: service.metric("percept_in_flight_requests") == 0)


def test_where_all_uploads_are_taken_the_slowest_gives_way(store: Path) -> None:
    with served(artifacts=str(store), models=NAME, queue_length="4") as running:
        mine = 8  # half of four times as many uploads as places
        with slow_uploads(running, mine) as wires:
            await_true(lambda: running.metric("percept_in_flight_requests") == mine)
            await_true(lambda: ask(running) == 200, patience_s=5.0)
            refused = 0
            for wire in wires:
                wire.setblocking(False)
                with suppress(BlockingIOError):
                    refused += b"429" in wire.recv(1 << 16)
            assert refused >= 1
        await_true(lambda: running.metric("percept_in_flight_requests") == 0)
        assert running.metric('percept_rejected_total{reason="queue_full"}') >= refused


def test_the_clients_own_deadline_ends_its_upload(service: Served) -> None:
    with slow_uploads(service, 1, "X-Request-Timeout: 0.6") as (wire,):
        status, body = read_answer(wire)
    assert (status, body["code"]) == (504, "deadline_exceeded")
    await_true(lambda: service.metric("percept_in_flight_requests") == 0)


def test_a_deadline_that_is_none_is_refused_before_the_body_is_read(service: Served) -> None:
    with connection(service) as wire:
        wire.sendall(head("X-Request-Timeout: soon"))
        status, body = read_answer(wire)
    assert (status, body["code"]) == (422, "invalid_parameter")
