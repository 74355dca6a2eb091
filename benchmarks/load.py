"""Clients that keep a service busy: persistent connections, each sending the next photo when it has its answer.

They speak HTTP/1.1 over plain sockets, so that measuring costs little of the processors that are measured.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import cycle

_BOUNDARY = b"benchmark"


@dataclass(frozen=True)
class Load:
    """What one round brought: answers, seconds, and each answer's latency in seconds."""

    answers: int
    seconds: float
    latencies_s: tuple[float, ...]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def quantile_ms(self, fraction: float) -> float:
        """A quantile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] * 1000


def request(photo: bytes) -> bytes:
    """A whole HTTP request for one photo, as multipart."""
    body = (
        b"--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="p.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + photo + b"\r\n--" + _BOUNDARY + b"--\r\n"
    )
    head = (
        "POST /classify-image HTTP/1.1\r\nHost: benchmark\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    """Let `clients` ask for `seconds`.

    Raises:
        RuntimeError: an answer was not 200.
    """
    return asyncio.run(_drive(port, requests, clients, seconds))


async def _drive(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    begun_at = time.perf_counter()
    shares = [_client(port, requests[number::clients] or requests, begun_at + seconds) for number in range(clients)]
    latencies = [latency for share in await asyncio.gather(*shares) for latency in share]
    return Load(len(latencies), time.perf_counter() - begun_at, tuple(latencies))


async def _client(port: int, requests: list[bytes], end: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies = []
    for each in cycle(requests):
        begun_at = time.perf_counter()
        if begun_at >= end:
            break
        writer.write(each)
        await _answer(reader)
        latencies.append(time.perf_counter() - begun_at)
    writer.close()
    return latencies


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(head.decode("latin-1"))
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(length)
