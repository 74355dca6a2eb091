"""Deadlines, keys, and company while waiting."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from models.store import Store
from service.api.deps import Services, may_infer, timeout_s, unless_gone
from service.errors import ClientGone, InvalidParameter, Unauthorized
from service.registry import Registry, ServedModel
from service.settings import ApiKey, Settings
from service.telemetry import Telemetry

KEY = "open sesame"
KEYS = (ApiKey(role="inference", sha256=hashlib.sha256(KEY.encode()).hexdigest()),)


def no_model(reference: str) -> ServedModel:
    raise AssertionError(reference)


def services(now: float = 0.0, keys: tuple[ApiKey, ...] = ()) -> Services:
    settings = Settings(max_timeout_s=60.0, api_keys=keys)
    return Services(settings, Registry([], Store(Path("nowhere")), no_model), Telemetry(), lambda: now)


def request(headers: dict[str, str], begun_at: float = 0.0) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "app": FastAPI(), "headers": raw, "state": {"begun_at": begun_at}})


def test_without_a_header_the_default_counts_from_now() -> None:
    assert timeout_s(request({}, 1.0), services(now=9.0), 30.0) == 30.0


@pytest.mark.parametrize(("now", "left"), [(1.0, 10.0), (5.0, 6.0), (11.0, 0.0), (99.0, 0.0)])
def test_a_deadline_counts_from_the_start_of_the_request(now: float, left: float) -> None:
    assert timeout_s(request({"x-request-timeout": "10"}, 1.0), services(now=now), 30.0) == left


@pytest.mark.parametrize("given", ["0", "-1", "60.1", "nan", "inf", "", "soon", "1_0", "9" * 5000])
def test_a_deadline_must_be_a_number_within_the_maximum(given: str) -> None:
    with pytest.raises(InvalidParameter, match="above 0, at most 60"):
        timeout_s(request({"x-request-timeout": given}), services(), 30.0)


def test_without_keys_everybody_may_call() -> None:
    asyncio.run(may_infer(request({}), services()))


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {KEY}"}, {"authorization": f"bearer  {KEY} "}, {"x-api-key": KEY}],
)
def test_a_known_key_may_call(headers: dict[str, str]) -> None:
    asyncio.run(may_infer(request(headers), services(keys=KEYS)))


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"x-api-key": ""}, {"x-api-key": KEY + "x"}, {"authorization": KEY}, {"authorization": f"Basic {KEY}"},
        {"x-api-key": KEYS[0].sha256}, {"authorization": "Bearer 芝麻"},
    ],
)  # fmt: skip
def test_anything_else_may_not(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        asyncio.run(may_infer(request(headers), services(keys=KEYS)))


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _hang_up() -> Message:
    return {"type": "http.disconnect"}


async def _soon() -> str:
    await asyncio.sleep(0)
    return "done"


def test_work_ends_while_the_client_stays() -> None:
    assert asyncio.run(unless_gone(_never, _soon())) == "done"


def test_the_works_own_error_is_the_clients() -> None:
    async def fail() -> None:
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        asyncio.run(unless_gone(_never, fail()))


def test_work_is_cancelled_when_the_client_hangs_up() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    with pytest.raises(ClientGone):
        asyncio.run(unless_gone(_hang_up, work()))
    assert ends == ["cancelled"]


def test_late_pieces_of_a_body_are_not_taken_for_a_hang_up() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"x", "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await _never()

    assert asyncio.run(unless_gone(receive, _soon())) == "done"


def test_nothing_is_left_running() -> None:
    async def scene() -> set[asyncio.Task[object]]:
        await unless_gone(_never, _soon())
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(scene()) == set()
