"""HEAD and OPTIONS for every route, though routes name GET and POST only (RFC 9110, 9.3.2 and 9.3.7).

HEAD is answered like GET, with the same headers and no body; OPTIONS with the methods that a path takes. Which those
are the router says itself, when it refuses a method.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPTIONS = "OPTIONS"


class Methods:
    """An ASGI layer around the router."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other kinds of traffic pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner = {**scope, "method": method}  # a copy: the server looks at its own for whether there may be a body
        try:
            await self._app(inner, receive, answer.send)
        finally:
            if "route" in inner:  # for the layers outside, as the router would leave it
                scope["route"] = inner["route"]


class _Answer:
    """The answer of one request on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._is_bodiless = scope["method"] == "HEAD"

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
            message = self._refused(message)
        elif message["type"] == "http.response.body" and self._is_bodiless:
            message = {**message, "body": b""}
        await self._send(message)

    def _refused(self, message: Message) -> Message:
        """The refusal of a method: for OPTIONS it is the answer, otherwise HEAD is named where GET is."""
        headers = MutableHeaders(raw=list(message["headers"]))
        # files that are served from a folder refuse without saying what they take
        allowed = headers.get("allow", "GET").replace(" ", "").split(",")
        if "GET" in allowed and "HEAD" not in allowed:
            allowed.append("HEAD")
        if self._scope["method"] != _OPTIONS:
            headers["Allow"] = ", ".join(allowed)
            return {**message, "headers": headers.raw}
        self._is_bodiless = True
        self._scope.get("state", {}).pop("problem_code", None)  # it was no refusal
        allow = ", ".join((*allowed, _OPTIONS)).encode("latin-1")
        return {**message, "status": HTTPStatus.NO_CONTENT.value, "headers": [(b"allow", allow)]}
