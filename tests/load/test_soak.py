"""Good and bad requests from eight clients for a while: nothing fails, and nothing grows."""

from __future__ import annotations

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.pictures import CLOCK, unusual
from tests.served import Served, missing_models, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`"),
]
SECONDS = float(os.environ.get("PERCEPT_SOAK_SECONDS", "60"))
CLIENTS = 8
GOOD = list(unusual().values())
BAD = [b"", b"\xff", b"text", CLOCK.read_bytes()[:9000]]
GROWTH_MB = 60


def _client(service: Served, number: int, end: float) -> set[tuple[bool, bool]]:
    """What was sent (is it good?) and what came (was it answered as it should be?)."""
    seen: set[tuple[bool, bool]] = set()
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for step in itertools.count(number):
            if time.monotonic() > end:
                return seen
            is_good = step % 3 > 0
            data = (GOOD if is_good else BAD)[step % len(GOOD if is_good else BAD)]
            status = client.post("/classify-image", files={"file": data}).status_code
            seen.add((is_good, status == 200 if is_good else status in (400, 415, 422)))
    return seen


def _run(service: Served, seconds: float) -> set[tuple[bool, bool]]:
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as clients:
        return set().union(*clients.map(lambda number: _client(service, number, end), range(CLIENTS)))


def test_nothing_fails_and_nothing_grows() -> None:
    with served(log_level="warning") as service:
        _run(service, SECONDS / 4)
        memory_mb, threads, files = service.memory_mb(), service.threads, service.open_files
        assert _run(service, SECONDS) == {(True, True), (False, True)}
        assert service.memory_mb() - memory_mb < GROWTH_MB
        assert service.threads <= threads
        assert service.open_files <= files
        assert service.metric("percept_queue_depth") == 0
        assert service.metric("percept_in_flight_requests") == 0
