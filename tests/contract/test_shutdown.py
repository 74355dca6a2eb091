"""From the moment of SIGTERM the service is not ready, what runs is answered, and the process ends cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.pictures import CLOCK
from tests.served import ROOT, SERVE, missing_models, served

pytestmark = pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}")


def test_it_is_not_ready_while_it_still_answers() -> None:
    with served(drain_s="2") as service:
        os.kill(service.pid, signal.SIGTERM)
        end = time.monotonic() + 1.5
        while (answer := httpx.get(f"{service.url}/health/ready")).status_code == 200:
            assert time.monotonic() < end
        assert (answer.status_code, answer.json()["code"]) == (503, "draining")
        assert httpx.post(f"{service.url}/classify-image", files={"file": CLOCK.read_bytes()}).status_code == 200


def test_what_was_begun_is_answered() -> None:
    def ask(url: str) -> int | None:
        with suppress(httpx.ConnectError, httpx.ReadError):  # it came after, or waited at the door when that closed
            return httpx.post(f"{url}/classify-image", files={"file": CLOCK.read_bytes()}, timeout=30).status_code
        return None

    with served() as service, ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(ask, service.url) for _ in range(8)]
        begun = 0.0
        while not begun and not all(each.done() for each in asked):
            begun = service.metric("percept_in_flight_requests")
        os.kill(service.pid, signal.SIGTERM)
        answers = [each.result() for each in asked]
    assert set(answers) <= {200, None}
    assert answers.count(200) >= max(1, begun)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("PORT", "http", "PERCEPT_PORT: "), ("PROVIDERS", "cuda", "PERCEPT_PROVIDERS=cuda cannot be had")],
)
def test_a_wrong_configuration_ends_at_once_in_words(name: str, value: str, words: str) -> None:
    environment = {**os.environ, f"PERCEPT_{name}": value}
    done = subprocess.run(SERVE, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if name == "PROVIDERS" and done.returncode == 0:
        pytest.skip("this machine has CUDA")
    assert done.returncode == 2
    assert done.stderr.startswith(f"percept: {words}")
    assert len(done.stderr.strip().splitlines()) == 1
