"""Models that are reloaded while clients ask: the memory of those that went comes back. Prints what it took."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.contract.problems import await_true
from tests.pictures import CLOCK
from tests.served import ROOT, Served, missing_models, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`"),
]
RELOADS = 20
GROWTH_MB = 150  # a picture and a recording may be on their way when memory is looked at
KITCHEN = ROOT / "docs/examples/kitchen.ogg"
ASKED: list[tuple[str, float, dict[str, Any]]] = [
    ("/classify-image", 0.2, {"files": {"file": CLOCK.read_bytes()}}),
    ("/transcribe", 1.0, {"files": {"file": KITCHEN.read_bytes()}, "data": {"beam_size": "1"}}),
]


@contextmanager
def light_traffic(service: Served) -> Iterator[list[int]]:
    """A client for photos and one for recordings, with pauses; gives the statuses they were answered with."""
    is_over, statuses = threading.Event(), list[int]()

    def ask(route: str, pause_s: float, request: dict[str, Any]) -> None:
        with httpx.Client(base_url=service.url, timeout=120) as client:
            while not is_over.wait(pause_s):
                statuses.append(client.post(route, **request).status_code)

    clients = [threading.Thread(target=ask, args=each) for each in ASKED]
    for each in clients:
        each.start()
    try:
        await_true(lambda: len(statuses) >= 10, 120)
        yield statuses
    finally:
        is_over.set()
        for each in clients:
            each.join(120)


def _reload_all(service: Served) -> None:
    for name in Settings.model_fields["models"].default:
        httpx.post(f"{service.url}/models/{name}/reload", timeout=300).raise_for_status()
    await_true(lambda: not _draining(service), 120)


def _draining(service: Served) -> list[str]:
    models = httpx.get(f"{service.url}/models", timeout=60).json()["models"]
    return [version for each in models for version in each["draining"]]


def test_reloads_give_the_memory_of_the_old_models_back() -> None:
    with served(log_level="warning") as service, light_traffic(service) as statuses:
        before = service.memory_mb()
        print(f"\nbefore: {before:.0f} MB")
        for number in range(1, RELOADS + 1):
            _reload_all(service)
            await_true(lambda: service.memory_mb() - before < GROWTH_MB, 60)
            print(
                f"after {number} reloads: {service.memory_mb():.0f} MB, at most {service.memory_mb('VmHWM'):.0f} MB"
            )
    assert set(statuses) == {200}
