"""From the moment of SIGTERM the service is not ready, what runs is answered, and the process ends cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.problems import await_true, connection, read_answer
from tests.pictures import CLOCK
from tests.served import ROOT, SERVE, Served, missing_models, served
from tests.voices import babble

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


def _head(request_id: str, length: int) -> bytes:
    names = ("Host: x", "Content-Type: audio/wav", f"Content-Length: {length}", f"X-Request-ID: {request_id}")
    return "\r\n".join(("POST /transcribe?language=en HTTP/1.1", *names, "\r\n")).encode()


def _ask_for_what_takes_long(service: Served, held: ExitStack) -> dict[str, socket.socket]:
    """One request on its lane, one behind it, and one that is still uploading; each by its id."""
    long = babble(600.0)
    wires = {name: held.enter_context(connection(service)) for name in ("running", "queued", "uploading")}
    for name, sent in (("running", len(long)), ("queued", len(long)), ("uploading", 1000)):
        wires[name].sendall(_head(name, len(long)) + long[:sent])
    await_true(lambda: service.metric("percept_in_flight_requests") == len(wires))
    await_true(lambda: service.metric("percept_queue_depth") == 1)
    return wires


def _listens(service: Served) -> bool:
    with suppress(ConnectionError), connection(service):
        return True
    return False


@pytest.mark.parametrize("signals", [1, 2])
def test_what_outlasts_its_time_is_told_so(tmp_path: Path, signals: int) -> None:
    timeout_s = "0.3" if signals == 1 else "60"
    with ExitStack() as held, (tmp_path / "log").open("w+") as log:
        answers: dict[str, tuple[int, dict[str, Any]]] = {}
        with served(
            kept_log=log, models="whisper-base", lanes="1", log_format="json", shutdown_timeout_s=timeout_s
        ) as service:
            wires = _ask_for_what_takes_long(service, held)
            for _ in range(signals):
                os.kill(service.pid, signal.SIGTERM)
                await_true(lambda: not _listens(service))  # two signals at once would be one
            for name, wire in wires.items():
                answers[name] = read_answer(wire)
                wire.close()
        lines = [json.loads(line) for line in log if line.startswith("{")]
        log.seek(0)
        assert "Traceback" not in log.read()
    for name, (status, problem) in answers.items():
        assert (status, problem["code"], problem["request_id"]) == (503, "draining", name)
        (line,) = [line for line in lines if line.get("request_id") == name]
        assert (line["level"], line["status"], line["code"]) == ("info", 503, "draining")
    why = "they outlasted the 0.3 s that they had" if signals == 1 else "a second signal came"
    assert f"ending 3 requests with 503: {why}" in [line["message"] for line in lines]
    assert not [line for line in lines if line["level"] == "error"]


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
