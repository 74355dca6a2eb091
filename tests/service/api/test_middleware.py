"""The outermost layer: ids, times, bugs, and bodies that nobody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.middleware import RequestScope
from service.telemetry import Telemetry

Exchanged = tuple[list[Message], list[Message], Telemetry]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, without reading the body."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """A bug of ours."""
    raise KeyError("/secret/path")


def exchange(app: App, body: list[bytes] | None = None, **headers: str) -> Exchanged:
    """One request: what was sent, what was left of the body, and what was counted."""
    telemetry = Telemetry()
    left: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in body or []]
    left.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": "/x",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(RequestScope(app, telemetry, lambda: 1.0)(scope, receive, send))
    return sent, left, telemetry


def sent_headers(sent: list[Message]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_an_acceptable_id_is_echoed() -> None:
    assert sent_headers(exchange(hello, x_request_id="call-1")[0])["x-request-id"] == "call-1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "a\r\nSet-Cookie: x", "日本"])
def test_another_one_is_replaced(given: str) -> None:
    answered = sent_headers(exchange(hello, x_request_id=given)[0])["x-request-id"]
    assert answered != given
    assert len(answered) == 32


def test_every_answer_says_how_long_it_took() -> None:
    assert sent_headers(exchange(hello)[0])["server-timing"] == "total;dur=0.0"


def test_a_bug_is_a_problem_with_an_id_and_without_the_inside() -> None:
    sent, _, telemetry = exchange(broken, x_request_id="call-2")
    problem = json.loads(sent[1]["body"])
    assert (sent[0]["status"], problem["code"], problem["request_id"]) == (500, "internal_error", "call-2")
    assert "secret" not in problem["detail"]
    assert b'percept_rejected_total{reason="internal_error"} 1.0' in telemetry.exposition()


def test_an_unread_body_is_drained_after_the_answer_and_the_connection_closed() -> None:
    sent, left, _ = exchange(hello, [b"a", b"b"], content_length="2")
    assert left == []
    assert sent_headers(sent)["connection"] == "close"
    assert [(each["body"], each.get("more_body", False)) for each in sent[1:]] == [(b"hello", True), (b"", False)]


def test_without_a_body_nothing_is_read_and_the_connection_stays() -> None:
    sent, left, _ = exchange(hello)
    assert len(left) == 1
    assert "connection" not in sent_headers(sent)


def test_requests_are_counted_by_route_model_and_status() -> None:
    _, _, telemetry = exchange(hello)
    assert b'percept_requests_total{model="",route="unmatched",status="200"} 1.0' in telemetry.exposition()
