"""The service while it is attacked: does it answer, and is all as before when the attack is over?"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import IO

import httpx

from tests.fuzz.answers import Answer, parsed
from tests.pictures import CLOCK, WALL_CLOCK
from tests.served import Served

_EVERY_S = 0.2
_QUIET_S = 0.25


class Health:
    """Asks whether the process lives, again and again; `seconds` is how long each answer took."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self.seconds: list[float] = []
        self.faults: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with httpx.Client(base_url=self._service.url, timeout=30) as client:
            while not self._is_over.wait(_EVERY_S):
                begun_at = time.monotonic()
                try:
                    status = client.get("/health/live").status_code
                except httpx.HTTPError as error:
                    status = 0
                    self.faults.append(f"health: {error!r}")
                self.seconds.append(time.monotonic() - begun_at)
                if status not in (0, 200):
                    self.faults.append(f"health: {status}")

    def __enter__(self) -> Health:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def words(self) -> str:
        """Median and slowest, for people."""
        return f"health in {statistics.median(self.seconds):.3f} s, at most {max(self.seconds):.3f} s"


def exchange(service: Served, pieces: Iterable[bytes], quiet_s: float = _QUIET_S) -> list[Answer]:
    """Send pieces on a connection of their own; the answers that come until it is closed, or quiet for a moment."""
    url, received = httpx.URL(service.url), b""
    with socket.create_connection((url.host, url.port or 80), timeout=10) as wire:
        try:
            for piece in pieces:
                wire.sendall(piece)
            wire.settimeout(quiet_s)
            while more := wire.recv(1 << 16):
                received += more
        except (TimeoutError, ConnectionError):
            pass  # it waits for more, or had enough
    return list(parsed(received))


def is_right(service: Served) -> bool:
    """Whether a good photo is recognised."""
    answer = httpx.post(f"{service.url}/classify-image", files={"file": CLOCK.read_bytes()}, timeout=60)
    return answer.status_code == 200 and bool(answer.json()["predictions"][0]["class_id"] == WALL_CLOCK)


def foreign_lines(log: IO[str]) -> list[str]:
    """Lines of a JSON log that are not ours."""
    return [line for line in log if not _is_ours(line)]


def _is_ours(line: str) -> bool:
    try:
        content = json.loads(line)
    except ValueError:
        return False
    return isinstance(content, dict) and {"time", "level", "logger", "message"} <= content.keys()
