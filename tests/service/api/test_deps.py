"""Deadlines, keys, and company while waiting."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from models.store import Store
from service.api.deps import Services, client_of, may_administer, may_infer, takes_no_fields, timeout_s, unless_gone
from service.errors import ClientGone, Forbidden, InvalidParameter, Unauthorized
from service.registry import Registry
from service.roster import ServedModel
from service.settings import ApiKey, Settings
from service.telemetry import Telemetry

KEY = "open sesame"
ADMIN_KEY = "open sesame, and stay open"
KEYS = (ApiKey(role="inference", sha256=hashlib.sha256(KEY.encode()).hexdigest()),)
BOTH_KEYS = (*KEYS, ApiKey(role="admin", sha256=hashlib.sha256(ADMIN_KEY.encode()).hexdigest()))


def no_model(reference: str) -> ServedModel:
    raise AssertionError(reference)


def services(now: float = 0.0, keys: tuple[ApiKey, ...] = ()) -> Services:
    settings = Settings(max_timeout_s=60.0, api_keys=keys)
    return Services(settings, Registry([], Store(Path("nowhere")), no_model), Telemetry(), lambda: now)


def request(
    headers: dict[str, str], begun_at: float = 0.0, client: tuple[str, int] | None = None, query: bytes = b""
) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "app": FastAPI(), "headers": raw, "client": client, "query_string": query}
    return Request({**scope, "state": {"begun_at": begun_at}})


def test_without_a_header_the_default_counts_from_now() -> None:
    assert timeout_s(request({}, 1.0), services(now=9.0), 30.0) == 30.0


@pytest.mark.parametrize(("now", "left"), [(1.0, 10.0), (5.0, 6.0), (11.0, 0.0), (99.0, 0.0)])
def test_a_deadline_counts_from_the_start_of_the_request(now: float, left: float) -> None:
    assert timeout_s(request({"x-request-timeout": "10"}, 1.0), services(now=now), 30.0) == left


@pytest.mark.parametrize("given", ["0", "-1", "60.1", "nan", "inf", "", "soon", "1_0", "9" * 5000])
def test_a_deadline_must_be_a_number_within_the_maximum(given: str) -> None:
    with pytest.raises(InvalidParameter, match="above 0, at most 60"):
        timeout_s(request({"x-request-timeout": given}), services(), 30.0)


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.10", False),
        ("203.0.113.9", "::ffff:203.0.113.9", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("testclient", "testclient", True),
    ],
)
def test_without_keys_a_client_is_an_address_or_a_network_of_ipv6(one: str, other: str, are_same: bool) -> None:
    first, second = (client_of(request({}, client=(host, 9)), services().settings) for host in (one, other))
    assert (first == second) == are_same


def test_with_keys_a_client_is_a_known_key_wherever_it_comes_from() -> None:
    settings = services(keys=BOTH_KEYS).settings

    def client(headers: dict[str, str], host: str = "203.0.113.9") -> str:
        return client_of(request(headers, client=(host, 9)), settings)

    assert client({"x-api-key": KEY}) == client({"authorization": f"Bearer {KEY}"}, "203.0.113.10")
    assert client({"x-api-key": KEY}) != client({"x-api-key": ADMIN_KEY})
    assert client({"x-api-key": "unknown"}) == client({}) != client({}, "203.0.113.10")
    assert client_of(request({}), settings) == ""


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


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-api-key": ""}, {"x-api-key": "  "}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}],
)
def test_no_key_never_matches_whatever_is_configured(headers: dict[str, str]) -> None:
    of_nothing = ApiKey.model_construct(role="admin", sha256=hashlib.sha256(b"").hexdigest())  # past the settings
    for may in (may_infer, may_administer):
        with pytest.raises(Unauthorized):
            asyncio.run(may(request(headers, client=("127.0.0.1", 9)), services(keys=(of_nothing,))))


@pytest.mark.parametrize("key", ["à", "酅", "x y", "\x85key"])
def test_a_key_is_compared_as_the_bytes_that_were_sent(key: str) -> None:
    keys = (ApiKey(role="inference", sha256=hashlib.sha256(key.encode()).hexdigest()),)
    for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
        asyncio.run(may_infer(request(headers), services(keys=keys)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("headers", [{}, {"origin": "http://localhost:8000"}, {"origin": "https://[::1]:1"}])
def test_without_keys_this_machine_may_administer(host: str, headers: dict[str, str]) -> None:
    asyncio.run(may_administer(request(headers, client=(host, 9)), services()))


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (("203.0.113.9", 9), {}),
        (("192.168.0.2", 9), {}),
        (("::ffff:203.0.113.9", 9), {}),
        (("2001:db8::1", 9), {}),
        (("10.0.0.1", 9), {}),
        (("testclient", 9), {}),
        (("", 9), {}),
        (None, {}),
        (("203.0.113.9", 9), {"x-forwarded-for": "127.0.0.1"}),
        (("127.0.0.1", 9), {"x-forwarded-for": "127.0.0.1"}),
        (("127.0.0.1", 9), {"x-real-ip": "203.0.113.9"}),
        (("127.0.0.1", 9), {"forwarded": "for=203.0.113.9"}),
        (("127.0.0.1", 9), {"origin": "https://example.com"}),
        (("127.0.0.1", 9), {"origin": "https://127.0.0.1.example.com"}),
        (("127.0.0.1", 9), {"origin": "null"}),
        (("127.0.0.1", 9), {"origin": ""}),
        (("127.0.0.1", 9), {"origin": "http://[::1"}),
        (("127.0.0.1", 9), {"origin": "http://localhost:3000", "host": "localhost:8000"}),
        (("127.0.0.1", 9), {"sec-fetch-site": "cross-site", "host": "localhost:8000"}),
    ],
)
def test_without_keys_nobody_else_may(client: tuple[str, int] | None, headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden, match="configure a key with the role admin in PERCEPT_API_KEYS"):
        asyncio.run(may_administer(request(headers, client=client), services()))


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.9"])
def test_with_keys_the_role_decides_and_not_the_place(host: str) -> None:
    guarded = services(keys=BOTH_KEYS)

    def ask(headers: dict[str, str]) -> None:
        asyncio.run(may_administer(request(headers, client=(host, 9)), guarded))

    ask({"x-api-key": ADMIN_KEY})
    with pytest.raises(Forbidden, match="this key is for inference"):
        ask({"x-api-key": KEY})
    for headers in ({}, {"x-api-key": "wrong"}):
        with pytest.raises(Unauthorized):
            ask(headers)


def test_an_admins_key_is_good_for_inference() -> None:
    asyncio.run(may_infer(request({"x-api-key": ADMIN_KEY}), services(keys=BOTH_KEYS)))


def test_a_key_of_both_roles_may_both() -> None:
    keys = tuple(ApiKey(role=role, sha256=KEYS[0].sha256) for role in ("inference", "admin"))
    asyncio.run(may_administer(request({"x-api-key": KEY}), services(keys=keys)))


def test_a_route_without_parameters_takes_none() -> None:
    asyncio.run(takes_no_fields(request({})))
    with pytest.raises(InvalidParameter, match="there is no field `version`; this route takes none"):
        asyncio.run(takes_no_fields(request({}, query=b"version=2")))


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
