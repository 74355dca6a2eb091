"""The long fuzz: good, bad, slow and vanishing clients at once, for as long as `make soak SOAK_SECONDS=…` says.

The seed is printed; PERCEPT_FUZZ_SEED repeats its cases, though not the moments at which they meet.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.fuzz.clients import EVERYBODY, KITCHEN, Attack, Tally
from tests.fuzz.watch import Health, foreign_lines, is_right
from tests.served import Served, missing_models, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(0),
    pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`"),
]
SECONDS = float(os.environ.get("PERCEPT_SOAK_SECONDS", "60"))
QUIET = ("sh", "-c", f"exec {sys.executable} -m service > /dev/null")  # the greeting goes to standard output
PATIENCE_S = 60.0
GROWTH = 1.1
SLACK_MB = 100
SPARE_THREADS = 36  # asyncio starts them as they are first needed, and keeps them


def _run(attack: Attack, seconds: float) -> Health:
    with Health(attack.service) as health, ThreadPoolExecutor(len(EVERYBODY)) as clients:
        asked = [clients.submit(each, attack, number) for number, each in enumerate(EVERYBODY)]
        attack.is_over.wait(seconds)
        attack.is_over.set()
        for each in asked:
            each.result()
    return health


def _text(service: Served) -> str:
    answer = httpx.post(f"{service.url}/transcribe", files={"file": KITCHEN.read_bytes()}, timeout=120)
    return str(answer.json()["text"])


def _is_soon(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def test_whatever_is_sent_the_service_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("PERCEPT_FUZZ_SEED", time.time_ns() % 10**6))
    with (tmp_path / "log").open("w+") as log:
        with served(QUIET, kept_log=log, log_format="json", body_idle_timeout_s="2") as service:
            text, tally = _text(service), Tally()
            assert text
            _run(Attack(service, seed + 1, threading.Event(), Tally(), text), SECONDS / 10)  # warm
            before_mb, threads, files = service.memory_mb(), service.threads, service.open_files
            health = _run(Attack(service, seed, threading.Event(), tally, text), SECONDS)
            is_back = _is_soon(PATIENCE_S, lambda: service.memory_mb() < before_mb * GROWTH + SLACK_MB)
            after_mb = service.memory_mb()
            with capsys.disabled():
                print(
                    f"\nseed {seed}, {SECONDS:g} s: {health.words}; {before_mb:.0f} MB before, {after_mb:.0f} after"
                )
                for (kind, status), number in sorted(tally.answers.items()):
                    print(f"  {kind} {status or 'no answer'}: {number}")
            assert tally.faults + health.faults == []
            assert sum(each > 1 for each in health.seconds) <= len(health.seconds) / 100, health.words
            assert is_back, f"{before_mb:.0f} MB before, {after_mb:.0f} after"
            assert service.threads <= threads + SPARE_THREADS
            assert service.open_files <= files
            assert _is_soon(PATIENCE_S, lambda: service.metric("percept_in_flight_requests") == 0)
            assert (is_right(service), _text(service)) == (True, text)
        assert foreign_lines(log) == []
