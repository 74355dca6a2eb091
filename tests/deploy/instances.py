"""Instances of a service that do what a test wants: ready, not ready, full, or dying over a request.

They speak enough of the HTTP contract for a proxy to choose between them, and tell what reached them. A real service
stands behind the same proxy in test_nginx_live.py.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Mood = Literal["ready", "not_ready", "full", "dying"]
_REFUSALS = {"not_ready": (503, "7"), "full": (429, "3")}
_PIECE_BYTES = 1 << 16


class Instance(ThreadingHTTPServer):
    """Listens on a free port of the loopback interface until the test ends."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, mood: Mood = "ready") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mood = mood
        self.seen: list[dict[str, str]] = []
        """Headers of every request that reached it, by lower-case name."""
        self.is_released = threading.Event()
        """`/slow` sends its second piece when this is set."""
        self.is_left = threading.Event()
        """Set when a client of `/slow` has gone."""

    @property
    def address(self) -> str:
        """As nginx writes it."""
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Instance
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own name
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        if self.path == "/slow":
            self._slow()
        elif self.server.mood in _REFUSALS:
            self._refuse()
        else:
            self._answer(200, {"path": self.path})

    def do_POST(self) -> None:
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        mood = self.server.mood
        if mood in _REFUSALS:
            self._refuse()
            return
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left:
            piece = self.rfile.read(min(left, _PIECE_BYTES))
            digest.update(piece)
            left -= len(piece)
            if mood == "dying":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
        self._answer(200, {"sha256": digest.hexdigest()})

    def _refuse(self) -> None:
        """Before the body was read, as the service does."""
        status, retry_after = _REFUSALS[self.server.mood]
        self.close_connection = True
        self._answer(status, {"code": self.server.mood}, {"Retry-After": retry_after, "Connection": "close"})

    def _answer(self, status: int, content: dict[str, str], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _slow(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        while not self.server.is_released.wait(0.02):
            if self._is_hung_up():
                self.server.is_left.set()
                return
        self.wfile.write(b"data: second\n\n")

    def _is_hung_up(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True


@contextmanager
def instance(mood: Mood = "ready") -> Iterator[Instance]:
    """One that runs until the end of the block."""
    server = Instance(mood)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_released.set()
        server.shutdown()
        server.server_close()
