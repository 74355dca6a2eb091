"""Real instances behind nginx: no client sees one that lacks its model, one that ends, or one that is killed."""

from __future__ import annotations

import io
import os
import signal
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.proxy import Proxy, needs_nginx, proxied
from tests.pictures import CLOCK, WALL_CLOCK
from tests.served import Served, missing_models, served

pytestmark = [
    needs_nginx,
    pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`"),
]
CLIENTS, EACH = 6, 35
Ask = tuple[str, dict[str, Any]]


def _silence(seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(int(32_000 * seconds)))
    return buffer.getvalue()


def _pieces(data: bytes) -> Iterator[bytes]:
    yield from (data[at : at + 7000] for at in range(0, len(data), 7000))


def _pictures() -> list[Ask]:
    picture, raw = CLOCK.read_bytes(), {"Content-Type": "image/jpeg"}
    return [
        ("/classify-image", {"files": {"file": picture}}),
        ("/classify-image", {"content": picture, "headers": raw}),
        ("/classify-image", {"content": _pieces(picture), "headers": raw}),
    ]


def _recordings() -> list[Ask]:
    sound = _silence()
    return [
        ("/transcribe", {"files": {"file": sound}}),
        ("/transcribe", {"content": _pieces(sound), "headers": {"Content-Type": "audio/wav"}}),
    ]


def _is_right(route: str, answer: httpx.Response) -> bool:
    content = answer.json()
    if route == "/classify-image":
        return bool(content["predictions"][0]["class_id"] == WALL_CLOCK)
    return bool(content["text"] == "")


class _Load:
    """Clients that ask by turns for each of some kinds, until each has asked so many times."""

    def __init__(self, stack: ExitStack, proxy: Proxy, kinds: Callable[[], list[Ask]]) -> None:
        self._proxy, self._kinds = proxy, kinds
        self._seen: list[tuple[int, bool]] = []
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        self._clients = [pool.submit(self._ask, number) for number in range(CLIENTS)]

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._proxy.url, timeout=60) as client:
            for step in range(number, number + EACH):
                kinds = self._kinds()
                route, options = kinds[step % len(kinds)]
                answer = client.post(route, **options)
                self._seen.append((answer.status_code, answer.status_code == 200 and _is_right(route, answer)))

    def await_half(self) -> None:
        """Return amid the load."""
        while len(self._seen) < CLIENTS * EACH // 2 and not all(each.done() for each in self._clients):
            time.sleep(0.01)

    def assert_all_right(self) -> None:
        """Wait for the rest; every request was answered with 200 and what is right."""
        for each in self._clients:
            each.result()
        assert Counter(self._seen) == {(200, True): CLIENTS * EACH}


def _behind(stack: ExitStack, folder: Path, *instances: Served) -> Proxy:
    return stack.enter_context(proxied(folder, [each.url.removeprefix("http://") for each in instances]))


def test_no_client_sees_an_instance_that_lacks_its_model_nor_one_that_ends(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with ExitStack() as stack:
        good, ending = (stack.enter_context(served(trusted_proxies="127.0.0.1")) for _ in range(2))
        lacking = stack.enter_context(served(awaited="/health/live", artifacts=str(empty)))
        assert httpx.get(f"{lacking.url}/health/ready").status_code == 503
        proxy = _behind(stack, tmp_path, good, lacking, ending)
        load = _Load(stack, proxy, lambda: _pictures() + _recordings())
        load.await_half()
        os.kill(ending.pid, signal.SIGTERM)
        load.assert_all_right()
        tries = [line["upstream_status"] for line in proxy.log(CLIENTS * EACH)]
        assert sum("503, 200" in each for each in tries) > CLIENTS  # it was asked
        answer = httpx.post(f"{proxy.url}/classify-image", files={"file": CLOCK.read_bytes()})
        assert answer.status_code == 200


def test_no_client_sees_an_instance_that_is_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        good = stack.enter_context(served(models="efficientnet-lite0"))
        killed = stack.enter_context(served(status=-signal.SIGKILL, models="efficientnet-lite0"))
        load = _Load(stack, _behind(stack, tmp_path, good, killed), _pictures)
        load.await_half()
        os.kill(killed.pid, signal.SIGKILL)
        load.assert_all_right()
