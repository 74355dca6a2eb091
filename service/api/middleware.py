"""Around every request: its id, its times, its metrics, its line in the log, and the last resort for our own bugs.

What the wire refuses (`service.incoming`) is answered here like any other error, though no route has seen it.

It also ends uploads politely: where an answer is given before the whole body was read, the rest is read and thrown
away for a bounded time, so that the client gets the answer instead of a reset connection, and then the connection
is closed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission import Job
from service.api.problems import for_error, problem
from service.errors import Draining, PerceptError
from service.incoming import STATE, Incoming
from service.logs import REQUESTS
from service.telemetry import Telemetry

REQUEST_ID = "X-Request-ID"
_ACCEPTABLE_ID = re.compile(r"^[A-Za-z0-9._:+/=-]{1,128}$")
_DRAIN_S = 5.0
_RETRY_AFTER_S = 1.0
_OUTLASTED = "the service is shutting down, and this took longer than it may; send it again, to another instance"
_log = logging.getLogger(REQUESTS)
_bugs = logging.getLogger(__name__)


class RequestScope:
    """The outermost ASGI layer."""

    def __init__(
        self,
        app: ASGIApp,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._clock = clock
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other kinds of traffic pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._clock)
        try:
            if exchange.refusal:
                await exchange.refuse(exchange.refusal)
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if not self._is_draining():
                raise
            # the server ends requests that outlast its shutdown in this way: the task ends behind this answer
            await exchange.refuse(Draining(_OUTLASTED, _RETRY_AFTER_S))
        except PerceptError as error:
            await exchange.refuse(error)
        except Exception:  # our bug; the client gets an id that finds it in the log
            _bugs.exception("request %s failed", exchange.request_id)
            exchange.state["problem_code"] = "internal_error"
            await exchange.fail()
        finally:
            self._account(exchange)

    def _account(self, exchange: Exchange) -> None:
        seconds = self._clock() - exchange.begun_at
        route = getattr(exchange.scope.get("route"), "path", "unmatched")
        model = exchange.state.get("model", "")
        code = exchange.state.get("problem_code")
        telemetry = self._telemetry
        telemetry.requests.labels(route, model, str(exchange.status)).inc()
        telemetry.request_duration.labels(model).observe(seconds)
        if code == "client_gone":
            telemetry.cancelled.labels(_stage(exchange.state.get("job"))).inc()
        elif code:
            telemetry.rejected.labels(code).inc()
        fields = (
            {
                "method": exchange.scope["method"],
                "route": route,
                "status": exchange.status,
                "ms": round(seconds * 1000, 1),
                "request_id": exchange.request_id,
            }
            | ({"model": model} if model else {})
            | ({"code": code} if code else {})
        )
        _log.info("request", extra={"fields": fields})


def _stage(job: Job[Any, Any] | None) -> str:
    """Where a request was when its client hung up."""
    if job is None:
        return "reading"
    return "queued" if job.started_at is None else "running"


@dataclass
class Exchange:
    """One request and its answer, as seen from outside of the application."""

    scope: Scope
    raw_receive: Receive
    raw_send: Send
    clock: Callable[[], float]
    status: int = 0
    is_started: bool = False
    begun_at: float = field(init=False)
    request_id: str = field(init=False)
    state: dict[str, Any] = field(init=False)
    is_body_read: bool = field(init=False)

    def __post_init__(self) -> None:
        headers = Headers(scope=self.scope)
        given = headers.get(REQUEST_ID, "")
        self.begun_at = self.clock()
        self.request_id = given if _ACCEPTABLE_ID.match(given) else uuid.uuid4().hex
        self.is_body_read = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        # starlette copies this dictionary shallowly for every request; ours must not leak into the next one
        self.state = dict(self.scope.get("state") or {})
        self.state |= {"request_id": self.request_id, "begun_at": self.begun_at}
        self.scope["state"] = self.state

    @property
    def refusal(self) -> PerceptError | None:
        """Why the wire refuses the rest of the request, where it does."""
        incoming: Incoming | None = self.state.get(STATE)
        return incoming.refusal if incoming else None

    async def receive(self) -> Message:
        """Pass a message in, noting the end of the body.

        Raises:
            PerceptError: the wire refuses what comes next.
        """
        message = await self.raw_receive()
        if self.refusal and message["type"] != "http.disconnect":
            self.is_body_read = True  # nothing more of it will be given
            raise self.refusal
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.is_body_read = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message out: headers are added, and an unread body is drained before the last piece."""
        if message["type"] == "http.response.start":
            self._start(message)
        elif (
            message["type"] == "http.response.body" and not message.get("more_body", False) and not self.is_body_read
        ):
            await self.raw_send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self.raw_send(message)

    def _start(self, message: Message) -> None:
        self.is_started, self.status = True, message["status"]
        headers = MutableHeaders(scope=message)
        headers[REQUEST_ID] = self.request_id
        headers["Server-Timing"] = self._server_timing()
        if not self.is_body_read:
            headers["Connection"] = "close"

    def _server_timing(self) -> str:
        stages = {**self.state.get("timing_ms", {}), "total": (self.clock() - self.begun_at) * 1000}
        return ", ".join(f"{name};dur={duration:.1f}" for name, duration in stages.items())

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not self.is_body_read:
                    await self.receive()
        except (TimeoutError, PerceptError):
            pass  # the client had its time, or its body is broken; closing now is all that is left

    async def refuse(self, error: PerceptError) -> None:
        """Answer with an error that no route has met; an answer that has begun already stays unfinished."""
        self.state["problem_code"] = error.code
        await self._answer(for_error(error, self.request_id))

    async def fail(self) -> None:
        """Answer 500, unless an answer has begun already."""
        words = "this is a fault of the service; its log knows the request_id"
        await self._answer(problem("internal_error", words, self.request_id))

    async def _answer(self, response: Response) -> None:
        if not self.is_started:
            await response(self.scope, self.receive, self.send)
