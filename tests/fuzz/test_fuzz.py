"""A bounded fuzz of a real service: damaged media and hostile framing, always the same cases.

PERCEPT_FUZZ_SEED asks for others. The long one is tests/load/test_fuzz_soak.py.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.fuzz import framing, media
from tests.fuzz.answers import Answer, fault
from tests.fuzz.watch import Health, exchange, foreign_lines, is_right
from tests.served import Served, missing_models, served

pytestmark = [
    pytest.mark.xdist_group("fuzz"),
    pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`"),
]
SEED = int(os.environ.get("PERCEPT_FUZZ_SEED", "1"))
CLIENTS = 4
CASES = {"/classify-image": 300, "/transcribe": 120}
ATTACKS = 270
SLOW_S = 5.0  # beside other tests; the soak, which has the machine for itself, asks for one second
GROWTH_MB = 250
QUIET = ("sh", "-c", f"exec {sys.executable} -m service > /dev/null")  # the greeting goes to standard output


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all cases; at the end every line of its log must be ours."""
    path: Path = tmp_path_factory.mktemp("fuzz") / "log"
    with path.open("w+") as log:
        with served(QUIET, kept_log=log, log_format="json", body_idle_timeout_s="2") as running:
            assert is_right(running)
            yield running
        assert foreign_lines(log) == []


def _send(service: Served, route: str, number: int) -> str:
    """What is wrong with the answer to a damaged file, with its number; every other one is sent in a form."""
    data, url = media.case(route, SEED, number), f"{service.url}{route}"
    with httpx.Client(timeout=60) as client:
        if number % 2:
            got = client.post(url, files={"file": data})
        else:
            got = client.post(url, content=data, headers={"Content-Type": media.ROUTES[route]})
    words = fault(Answer(got.status_code, dict(got.headers), got.content))
    return words and f"seed {SEED}, {route} case {number}: {words}"


@pytest.mark.parametrize("route", CASES)
def test_damaged_files_are_answered(service: Served, route: str) -> None:
    numbers = range(CASES[route])
    with Health(service) as health, ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda number: _send(service, route, number), numbers[: CLIENTS * 4]))  # warm
        before_mb = service.memory_mb()
        faults = [words for words in clients.map(lambda number: _send(service, route, number), numbers) if words]
    assert faults + health.faults == []
    assert max(health.seconds) < SLOW_S, health.words
    assert is_right(service)
    assert service.memory_mb() - before_mb < GROWTH_MB


def _attack(service: Served, number: int) -> tuple[str, Counter[int]]:
    """What is wrong with the answers to an attack, and their statuses."""
    answers = exchange(service, framing.case(SEED, number))
    words = [words for each in answers if (words := fault(each))]
    words += ["a hidden request was answered" for each in answers if framing.HIDDEN.decode() in each.headers.values()]
    return (f"seed {SEED}, attack {number}: {words}" if words else ""), Counter(each.status for each in answers)


def test_hostile_framing_is_answered_and_hides_nothing(service: Served) -> None:
    with Health(service) as health, ThreadPoolExecutor(CLIENTS) as clients:
        results = list(clients.map(lambda number: _attack(service, number), range(ATTACKS)))
    assert [words for words, _ in results if words] + health.faults == []
    assert max(health.seconds) < SLOW_S, health.words
    statuses: Counter[int] = sum((each for _, each in results), Counter())
    assert {200, 400, 431} <= statuses.keys(), statuses  # some are good, and the bad are told what is wrong
    assert is_right(service)
