"""What every test of bad input shares: a bad request, the problem it must get, and that nothing is left behind."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.served import Served

PATIENCE_S = 20.0
ASYNCIO_THREADS = min(32, (os.cpu_count() or 1) + 4)  # started as they are first needed, and kept
BROKEN = {"Content-Type": "multipart/form-data; boundary=x"}


@dataclass(frozen=True)
class Bad:
    """One bad request and the problem that it must get; `query` goes behind the route."""

    name: str
    status: int
    code: str
    request: Callable[[], dict[str, Any]]
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def nothing_left(service: Served, assert_good: Callable[[Served], None]) -> Iterator[None]:
    """Afterwards the next good request is right, and no place, thread or file is held."""
    threads, files = service.threads, service.open_files
    yield
    assert_good(service)
    await_true(lambda: service.metric("percept_in_flight_requests") == 0)
    assert service.metric("percept_queue_depth") == 0
    assert service.threads <= threads + ASYNCIO_THREADS
    assert service.open_files <= files


def await_true(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Ask until it is so."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it never came true"


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    """The answer is a problem document of this status and code that tells nothing of the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "total;dur=" in answer.headers["server-timing"]
    for inside in ("Traceback", "/service/", "site-packages", "PIL", "onnxruntime", "libav", "Errno"):
        assert inside not in problem["detail"]


def connection(service: Served) -> socket.socket:
    """A bare connection; closing it is hanging up."""
    url = httpx.URL(service.url)
    wire = socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return wire


def head(route: str, kind: str, length: int) -> bytes:
    """The head of a request whose body is the file itself."""
    return f"POST {route} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def read_answer(wire: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer on a bare connection."""
    with io.BufferedReader(socket.SocketIO(wire, "r")) as answer:
        status = int(answer.readline().split()[1])
        length = 0
        while line := answer.readline().strip().lower():
            length = int(line.split(b":")[1]) if line.startswith(b"content-length:") else length
        return status, json.loads(answer.read(length))
