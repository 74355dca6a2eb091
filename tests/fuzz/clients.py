"""Clients of every temper, each asking again and again until it is told to stop; all draw from one seed.

Good ones count what is not right, bad ones what is a bug of ours; slow and vanishing ones only take places.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import httpx
import numpy as np

from tests.fuzz import framing, media
from tests.fuzz.answers import Answer, fault, parsed
from tests.fuzz.watch import exchange
from tests.pictures import CLOCK, WALL_CLOCK
from tests.served import ROOT, Served

KITCHEN = ROOT / "docs/examples/kitchen.ogg"
_STEP_S = 0.25
_SLOW_BYTES = 100  # each step: far below the least rate
_HEAD = b"POST /classify-image HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Tally:
    """What came of the requests of all clients."""

    faults: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By kind of client and status; 0 is no answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, status: int, words: str = "") -> None:
        """One answer, and what is wrong with it."""
        with self._lock:
            self.answers[kind, status] += 1
            if words:
                self.faults.append(f"{kind}: {words}")


@dataclass(frozen=True)
class Attack:
    """What every client needs to know."""

    service: Served
    seed: int
    is_over: threading.Event
    tally: Tally
    text: str
    """Of the good recording."""


Client = Callable[[Attack, int], None]


def _answer(got: httpx.Response) -> Answer:
    return Answer(got.status_code, dict(got.headers), got.content)


def photographer(attack: Attack, _: int) -> None:
    """Sends a good photo and looks whether it is recognised; may be told to come later."""
    with httpx.Client(base_url=attack.service.url, timeout=120) as client:
        while not attack.is_over.is_set():
            got = client.post("/classify-image", files={"file": CLOCK.read_bytes()})
            words = fault(_answer(got))
            if got.status_code == 200 and got.json()["predictions"][0]["class_id"] != WALL_CLOCK:
                words = f"took a clock for {got.json()['predictions'][0]}"
            if got.status_code not in (200, 429, 503):
                words = words or f"{got.status_code} for a good photo: {got.text[:200]}"
            attack.tally.note("good photo", got.status_code, words)


def speaker(attack: Attack, _: int) -> None:
    """Sends a good recording and compares the text."""
    with httpx.Client(base_url=attack.service.url, timeout=120) as client:
        while not attack.is_over.is_set():
            got = client.post("/transcribe", files={"file": KITCHEN.read_bytes()})
            words = fault(_answer(got))
            if got.status_code == 200 and got.json()["text"] != attack.text:
                words = f"heard {got.json()['text']!r}"
            attack.tally.note("good recording", got.status_code, words)
            attack.is_over.wait(1.0)  # or there would be little time for anything else


def damager(attack: Attack, number: int) -> None:
    """Sends damaged files."""
    rng = np.random.default_rng([attack.seed, number])
    with httpx.Client(base_url=attack.service.url, timeout=120) as client:
        while not attack.is_over.is_set():
            route, case = list(media.ROUTES)[int(rng.integers(2))], int(rng.integers(2**31))
            data = media.case(route, attack.seed, case)
            got = client.post(route, content=data, headers={"Content-Type": media.ROUTES[route]})
            words = fault(_answer(got))
            attack.tally.note("damaged file", got.status_code, words and f"{route} case {case}: {words}")


def framer(attack: Attack, number: int) -> None:
    """Sends what is no proper request."""
    for case in count(number * 10_000_000):
        if attack.is_over.is_set():
            return
        try:
            answers = exchange(attack.service, framing.case(attack.seed, case))
        except (ConnectionError, TimeoutError):  # it may be refused a connection
            attack.tally.note("framing", 0)
            continue
        for each in answers:
            words = fault(each)
            if framing.HIDDEN.decode() in each.headers.values():
                words = "a hidden request was answered"
            attack.tally.note("framing", each.status, words and f"attack {case}: {words}")


def _connection(attack: Attack) -> socket.socket:
    url = httpx.URL(attack.service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=30)


def crawler(attack: Attack, number: int) -> None:
    """Uploads slower than anybody should, or says nothing at all, and looks what it is told."""
    rng = np.random.default_rng([attack.seed, number])
    picture = CLOCK.read_bytes()
    request = _HEAD % len(picture) + picture
    while not attack.is_over.is_set():
        received, sent = b"", 0 if rng.integers(3) else len(request)  # every third says nothing
        try:
            with _connection(attack) as wire:
                wire.settimeout(_STEP_S)
                while not attack.is_over.is_set():
                    wire.sendall(request[sent : sent + _SLOW_BYTES])
                    sent += _SLOW_BYTES
                    try:
                        more = wire.recv(1 << 16)
                    except TimeoutError:
                        continue
                    received += more
                    if not more:
                        break
        except (ConnectionError, TimeoutError):
            pass
        answers = list(parsed(received))
        for each in answers:
            attack.tally.note("slow", each.status, fault(each))
        if not answers:
            attack.tally.note("slow", 0)


def vanisher(attack: Attack, number: int) -> None:
    """Hangs up amid the header, the body, the work or the answer."""
    rng = np.random.default_rng([attack.seed, number])
    routes = {"classify-image": CLOCK.read_bytes(), "transcribe": KITCHEN.read_bytes()}
    while not attack.is_over.is_set():
        route = list(routes)[int(rng.integers(2))]
        request = (_HEAD % len(routes[route]) + routes[route]).replace(b"classify-image", route.encode())
        end = len(request) if rng.integers(2) else int(rng.integers(len(request)))
        try:
            with _connection(attack) as wire:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no farewell
                wire.sendall(request[:end])
                attack.is_over.wait(float(rng.uniform(0, 0.2)))
        except (ConnectionError, TimeoutError):
            pass
        attack.tally.note("vanished", 0)


EVERYBODY: tuple[Client, ...] = (
    photographer, photographer, speaker, damager, damager, framer, framer, crawler, crawler, crawler, vanisher,
)  # fmt: skip
