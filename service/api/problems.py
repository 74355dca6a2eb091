"""The one table from errors to HTTP: code → status and title, and the answer in RFC 9457's shape.

`detail` comes from the error's own sentence and never holds a stack trace, a path or a library's internals.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.errors import OverloadError, PerceptError

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE_STATUS = 499  # nobody reads it; access log and metrics do (nginx's convention)


@dataclass(frozen=True)
class Kind:
    """What every problem of one code shares."""

    status: int
    title: str


KINDS: dict[str, Kind] = {
    "malformed_request": Kind(400, "Malformed request"),
    "unauthorized": Kind(401, "No valid key"),
    "forbidden": Kind(403, "Not allowed"),
    "model_not_found": Kind(404, "Model not found"),
    "not_found": Kind(404, "Not found"),
    "method_not_allowed": Kind(405, "Method not allowed"),
    "request_timeout": Kind(408, "The request arrived too slowly"),
    "payload_too_large": Kind(413, "Payload too large"),
    "image_too_large": Kind(413, "Image too large"),
    "audio_too_long": Kind(413, "Audio too long"),
    "unsupported_media": Kind(415, "Unsupported media"),
    "invalid_parameter": Kind(422, "Invalid parameter"),
    "undecodable_image": Kind(422, "Undecodable image"),
    "undecodable_audio": Kind(422, "Undecodable audio"),
    "no_audio_stream": Kind(422, "No audio stream"),
    "queue_full": Kind(429, "Queue full"),
    "rate_limited": Kind(429, "Rate limited"),
    "headers_too_large": Kind(431, "Request header too large"),
    "client_gone": Kind(CLIENT_GONE_STATUS, "Client gone"),
    "internal_error": Kind(500, "Internal error"),
    "not_ready": Kind(503, "Not ready"),
    "draining": Kind(503, "Shutting down"),
    "deadline_exceeded": Kind(504, "Deadline exceeded"),
}
_BY_STATUS = {404: "not_found", 405: "method_not_allowed"}


def document(code: str, detail: str, request_id: str) -> dict[str, Any]:
    """The problem object."""
    kind = KINDS[code]
    return {
        "type": f"urn:percept:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }


def problem(code: str, detail: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """The problem as a response."""
    content = json.dumps(document(code, detail, request_id), ensure_ascii=False).encode()
    return Response(content, KINDS[code].status, headers, MEDIA_TYPE)


def for_error(error: PerceptError, request_id: str) -> Response:
    """The answer to an error of our own tree."""
    headers: dict[str, str] = {}
    if isinstance(error, OverloadError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.code == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.code, error.detail, request_id, headers)


def install(app: FastAPI) -> None:
    """Make every error of the application answer as a problem."""
    app.add_exception_handler(PerceptError, _on_percept_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


def _note(request: Request, code: str) -> None:
    request.state.problem_code = code


async def _on_percept_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PerceptError)  # noqa: S101 - the handler is registered for these only
    _note(request, error.code)
    return for_error(error, request.state.request_id)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _BY_STATUS.get(error.status_code, "malformed_request" if error.status_code < 500 else "internal_error")
    _note(request, code)
    detail = {
        "not_found": f"there is nothing at {request.url.path[:200]}; see /docs",
        "method_not_allowed": f"{request.method} is not for {request.url.path[:200]}; see /docs",
    }.get(code, HTTPStatus(error.status_code).phrase)
    return problem(code, detail, request.state.request_id, dict(error.headers or {}))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    _note(request, "invalid_parameter")
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem("invalid_parameter", f"{where}: {first['msg']}", request.state.request_id)
