"""The table of problems is complete, and says what clients were promised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from service.api.middleware import RequestScope
from service.api.openapi import problems
from service.api.problems import KINDS, for_error, install
from service.errors import PerceptError, QueueFull, StartupError, Unauthorized, UndecodableImage
from service.telemetry import Telemetry

PROMISED = {
    400: {"malformed_request"},
    401: {"unauthorized"},
    403: {"forbidden"},
    404: {"model_not_found", "not_found"},
    405: {"method_not_allowed"},
    408: {"request_timeout"},
    413: {"payload_too_large", "image_too_large", "audio_too_long"},
    415: {"unsupported_media"},
    422: {"invalid_parameter", "undecodable_image", "undecodable_audio", "no_audio_stream"},
    429: {"queue_full", "rate_limited"},
    431: {"headers_too_large"},
    499: {"client_gone"},
    500: {"internal_error"},
    503: {"not_ready", "draining"},
    504: {"deadline_exceeded"},
}


def _tree(root: type[PerceptError]) -> Iterator[type[PerceptError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def test_the_table_is_what_was_promised() -> None:
    assert {
        status: {code for code, kind in KINDS.items() if kind.status == status} for status in PROMISED
    } == PROMISED
    assert {kind.status for kind in KINDS.values()} == PROMISED.keys()


@pytest.mark.parametrize("error", list(_tree(PerceptError)), ids=lambda error: error.__name__)
def test_every_error_has_a_row(error: type[PerceptError]) -> None:
    assert error.code in KINDS
    assert error.__doc__


def test_leaves_of_the_tree_have_codes_of_their_own() -> None:
    leaves = [
        error for error in _tree(PerceptError) if not error.__subclasses__() and not issubclass(error, StartupError)
    ]
    codes = [error.code for error in leaves]
    assert len(set(codes)) == len(codes)


def test_overload_says_when_to_come_back() -> None:
    assert for_error(QueueFull("full", 2.1), "id").headers["retry-after"] == "3"


def test_chinese_is_not_escaped() -> None:
    body = bytes(for_error(UndecodableImage("图片损坏"), "id").body)
    assert "图片损坏" in body.decode("utf-8")
    assert json.loads(body)["status"] == 422


def _ask(path: str, method: str = "GET") -> httpx.Response:
    app = FastAPI()
    install(app)
    app.add_middleware(RequestScope, telemetry=Telemetry(), clock=lambda: 1.0)

    @app.get("/typed")
    async def typed(count: int) -> int:
        return count

    @app.get("/unauthorized")
    async def locked() -> None:
        raise Unauthorized("send a key")

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, headers={"X-Pot": "tea"})

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://percept") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/typed?count=x", "GET", 422, "invalid_parameter"),
        ("/typed", "DELETE", 405, "method_not_allowed"),
        ("/nowhere", "GET", 404, "not_found"),
        ("/" + "x" * 5000, "GET", 404, "not_found"),
        ("/unauthorized", "GET", 401, "unauthorized"),
        ("/teapot", "GET", 400, "malformed_request"),
    ],
)
def test_every_error_of_the_application_is_a_problem(path: str, method: str, status: int, code: str) -> None:
    answer = _ask(path, method)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert body.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"]
    assert 0 < len(body["detail"]) < 300


def test_what_the_protocol_asks_for_is_kept() -> None:
    assert _ask("/typed", "DELETE").headers["allow"] == "GET"
    assert _ask("/unauthorized").headers["www-authenticate"] == "Bearer"
    assert _ask("/teapot").headers["x-pot"] == "tea"


def test_every_code_is_documented_with_an_example() -> None:
    documented = problems({code: f"why {code}" for codes in PROMISED.values() for code in codes})
    for status, codes in PROMISED.items():
        examples = documented[status]["content"]["application/problem+json"]["examples"]
        assert examples.keys() == codes
        for code, example in examples.items():
            assert (example["value"]["status"], example["value"]["code"]) == (status, code)


def test_titles_do_not_repeat() -> None:
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
