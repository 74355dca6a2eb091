"""The outermost layer: ids, times, bugs, and bodies that nobody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.admission import Job
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


def test_a_bug_after_the_answer_began_adds_nothing_to_it() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("late")

    sent, _, telemetry = exchange(half)
    assert [each["type"] for each in sent] == ["http.response.start"]
    assert b'percept_rejected_total{reason="internal_error"} 1.0' in telemetry.exposition()


@pytest.mark.parametrize(
    ("started_at", "is_submitted", "stage"),
    [(None, False, "reading"), (None, True, "queued"), (2.0, True, "running")],
)
def test_clients_that_hang_up_are_counted_by_stage(started_at: float | None, is_submitted: bool, stage: str) -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["problem_code"] = "client_gone"
        if is_submitted:
            scope["state"]["job"] = Job[str, str]("photo", 1.0, 9.0, started_at=started_at)
        await hello(scope, receive, send)

    text = exchange(gone)[2].exposition()
    assert f'percept_cancelled_total{{stage="{stage}"}} 1.0'.encode() in text
    assert b"percept_rejected_total{" not in text


def test_stages_come_before_the_total() -> None:
    async def staged(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["timing_ms"] = {"queue": 0.12, "decode": 3.0}
        await hello(scope, receive, send)

    timing = sent_headers(exchange(staged)[0])["server-timing"]
    assert timing == "queue;dur=0.1, decode;dur=3.0, total;dur=0.0"


def test_one_requests_state_does_not_leak_into_the_next() -> None:
    seen: list[dict[str, Any]] = []
    shared: dict[str, Any] = {"of": "the lifespan"}

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["state"]))
        scope["state"]["model"] = "m"

    async def nothing() -> Message:
        raise AssertionError

    async def ignore(message: Message) -> None:
        pass

    layer = RequestScope(note, Telemetry(), lambda: 1.0)
    for _ in range(2):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": shared}
        asyncio.run(layer(scope, nothing, ignore))
    assert shared == {"of": "the lifespan"}
    assert all(each["of"] == "the lifespan" and "model" not in each for each in seen)
    assert seen[0]["request_id"] != seen[1]["request_id"]


def test_a_client_that_hangs_up_ends_the_draining() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"9")]}
    asyncio.run(RequestScope(hello, Telemetry(), lambda: 1.0)(scope, receive, send))
    assert messages == []
    assert [each.get("body") for each in sent] == [None, b"hello", b""]


def test_other_traffic_passes_untouched() -> None:
    seen: list[Scope] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing() -> Message:
        raise AssertionError

    async def ignore(message: Message) -> None:
        pass

    lifespan = {"type": "lifespan"}
    asyncio.run(RequestScope(note, Telemetry(), lambda: 1.0)(lifespan, nothing, ignore))
    assert seen == [{"type": "lifespan"}]


def test_a_body_of_unknown_length_is_drained_too() -> None:
    sent, left, _ = exchange(hello, [b"a"], transfer_encoding="chunked")
    assert left == []
    assert sent_headers(sent)["connection"] == "close"


class Cancelled:
    """A request that a server ends in its own way, and what came of it."""

    def __init__(self, app: App, *, is_draining: bool, body: str = "0") -> None:
        self.sent: list[Message] = []
        self.telemetry = Telemetry()
        self.is_cancelled = False
        scope = {
            "type": "http", "method": "POST", "path": "/x",
            "headers": [(b"x-request-id", b"call-3"), (b"content-length", body.encode())],
        }  # fmt: skip
        layer = RequestScope(app, self.telemetry, lambda: 1.0, lambda: is_draining)
        asyncio.run(self._play(layer, scope))

    async def _play(self, layer: RequestScope, scope: Scope) -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        task = asyncio.ensure_future(layer(scope, receive, send))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        self.is_cancelled = task.cancelled()


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Runs until it is cancelled."""
    await asyncio.Event().wait()


async def endless_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """The same with an answer that has begun."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await asyncio.Event().wait()


@pytest.mark.parametrize("body", ["0", "9"])
def test_what_is_cancelled_at_the_end_is_told_so(body: str) -> None:
    ended = Cancelled(endless, is_draining=True, body=body)
    problem = json.loads(ended.sent[1]["body"])
    assert (ended.sent[0]["status"], problem["code"], problem["request_id"]) == (503, "draining", "call-3")
    assert int(sent_headers(ended.sent)["retry-after"]) >= 1
    assert not ended.sent[-1].get("more_body", False)
    counted = ended.telemetry.exposition()
    assert b'percept_rejected_total{reason="draining"} 1.0' in counted
    assert b'percept_requests_total{model="",route="unmatched",status="503"} 1.0' in counted
    assert not ended.is_cancelled  # it ended by itself, with an answer


def test_an_answer_that_has_begun_stays_unfinished_at_the_end() -> None:
    ended = Cancelled(endless_answer, is_draining=True)
    assert [each["type"] for each in ended.sent] == ["http.response.start", "http.response.body"]
    assert ended.sent[-1]["more_body"]
    assert b'percept_rejected_total{reason="draining"} 1.0' in ended.telemetry.exposition()


def test_who_cancels_for_another_reason_is_obeyed() -> None:
    ended = Cancelled(endless, is_draining=False)
    assert ended.is_cancelled
    assert ended.sent == []
