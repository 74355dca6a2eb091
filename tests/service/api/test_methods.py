"""HEAD answers as GET does and without a body, OPTIONS says what a path takes, on every route there is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests.artifacts import publish

GETS = [
    "/", "/docs", "/redoc", "/openapi.json", "/docs/assets/favicon.png", "/models", "/models/brightness",
    "/health/live", "/health/ready", "/metrics",
]  # fmt: skip
POSTS = ["/classify-image", "/transcribe", "/models/x/load", "/models/x/reload", "/models/x/unload"]
VARYING = {"server-timing", "x-request-id", "content-length"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    root: Path = tmp_path_factory.mktemp("store")
    publish(root)
    return create_app(
        Settings(artifacts=root, models=("brightness",), providers="cpu", cors_origins=("http://a.example",))
    )


def ask(app: FastAPI, method: str, path: str, **request: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("203.0.113.9", 9))
        async with httpx.AsyncClient(transport=transport, base_url="http://percept") as client:
            return await client.request(method, path, **request)

    return asyncio.run(send())


@pytest.mark.parametrize("path", [*GETS, "/nowhere", "/models/nothing"])
def test_head_is_get_without_a_body(app: FastAPI, path: str) -> None:
    got, head = ask(app, "GET", path), ask(app, "HEAD", path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert {n: v for n, v in head.headers.items() if n not in VARYING} == {
        n: v for n, v in got.headers.items() if n not in VARYING
    }
    if path != "/metrics":  # which counts both
        assert head.headers.get("content-length") == got.headers.get("content-length")


@pytest.mark.parametrize("path", POSTS)
def test_head_is_not_for_routes_that_do_something(app: FastAPI, path: str) -> None:
    answer = ask(app, "HEAD", path)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


@pytest.mark.parametrize(
    ("path", "allowed"), [*((p, "GET, HEAD, OPTIONS") for p in GETS), *((p, "POST, OPTIONS") for p in POSTS)]
)
def test_options_says_what_a_path_takes(app: FastAPI, path: str, allowed: str) -> None:
    answer = ask(app, "OPTIONS", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {each.strip() for each in answer.headers["allow"].split(",")} == set(allowed.split(", "))
    assert "content-length" not in answer.headers
    assert answer.headers["x-request-id"]


def test_options_is_no_refusal(app: FastAPI) -> None:
    def refused() -> str:
        lines = ask(app, "GET", "/metrics").text.splitlines()
        return next(
            (line for line in lines if line.startswith('percept_rejected_total{reason="method_not_allowed"}')), ""
        )

    before = refused()
    ask(app, "OPTIONS", "/models")
    assert refused() == before
    ask(app, "DELETE", "/models")
    assert refused() != before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/models", "GET, HEAD"), ("/classify-image", "POST"), ("/docs/assets/favicon.png", "GET, HEAD")],
)
def test_a_method_that_is_refused_is_told_the_right_ones(app: FastAPI, method: str, path: str, allowed: str) -> None:
    answer = ask(app, method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert {each.strip() for each in answer.headers["allow"].split(",")} == set(allowed.split(", "))


def test_what_is_not_there_has_no_options(app: FastAPI) -> None:
    assert ask(app, "OPTIONS", "/nowhere").status_code == 404


def test_a_browsers_question_before_a_request_is_answered_by_the_origins_that_may_call(app: FastAPI) -> None:
    headers = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
    answer = ask(app, "OPTIONS", "/classify-image", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "http://a.example")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_they_are_counted_under_their_route(app: FastAPI, method: str) -> None:
    ask(app, method, "/models/brightness")
    status = "200" if method == "HEAD" else "204"
    route = "/models/{name}" if method == "HEAD" else ""
    assert f'route="{route}' in ask(app, "GET", "/metrics").text
    assert f'status="{status}"' in ask(app, "GET", "/metrics").text
