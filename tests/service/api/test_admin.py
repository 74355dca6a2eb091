"""The admin routes over the application itself: answers, refusals, the truth in /models, and their documentation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import ApiKey, Settings
from tests.artifacts import picture, publish

LOOPBACK = ("127.0.0.1", 9)
ELSEWHERE = ("203.0.113.9", 9)
Scene = Callable[[httpx.AsyncClient], Awaitable[None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with two versions of `m`, one of `beside`, and a `broken` model."""
    for name in ("m", "m", "beside"):
        publish(tmp_path, name)
    publish(tmp_path, "broken", fp32=0.5)
    return tmp_path


def play(scene: Scene, root: Path, client: tuple[str, int] = LOOPBACK, **settings: Any) -> None:
    """Start an application over the store, and let the scene ask it."""

    async def started() -> None:
        app = create_app(Settings(artifacts=root, models=("m",), **settings))
        transport = httpx.ASGITransport(app, client=client)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://percept", timeout=60) as http,
        ):
            while (await http.get("/models/m")).json()["state"] == "loading":
                pass
            await scene(http)

    asyncio.run(started())


async def classified(http: httpx.AsyncClient, **params: str) -> tuple[int, str]:
    """Status, and the version that answered or the problem's code."""
    answer = await http.post("/classify-image", files={"file": picture(200)}, params=params)
    body = answer.json()
    return answer.status_code, body["model"]["version"] if answer.status_code == 200 else body["code"]


async def shown(http: httpx.AsyncClient) -> list[tuple[str, str, bool, str | None]]:
    models = (await http.get("/models")).json()["models"]
    return [
        (each["reference"], each["state"], each["configured"], (each["manifest"] or {}).get("version"))
        for each in models
    ]


async def is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/health/ready")).status_code == 200


def test_a_reload_answers_with_the_model_as_it_is_then(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        assert await classified(http) == (200, "2")
        publish(root, "m")
        answer = await http.post("/models/m/reload", headers={"X-Request-ID": "call-1"})
        body = answer.json()
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] == "call-1"
        assert (body["reference"], body["state"], body["reason"], body["configured"]) == ("m", "ready", "", True)
        assert (body["manifest"]["version"], body["variant"], body["provider"]) == ("3", "fp32", "cpu")
        assert await classified(http) == (200, "3")
        assert await shown(http) == [("m", "ready", True, "3")]
        while (await http.get("/models/m@3")).json()["draining"] == ["2"]:
            pass
        assert (await http.get("/models/m@3")).json()["draining"] == []

    play(scene, root)


def test_unloaded_and_loaded_again(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        assert (await http.post("/models/m/unload")).json()["state"] == "unloaded"
        assert await classified(http, model="m") == (404, "model_not_found")
        default = await http.post("/classify-image", files={"file": picture(200)})
        assert (default.status_code, default.json()["code"]) == (503, "not_ready")
        assert int(default.headers["retry-after"]) >= 1
        assert await shown(http) == [("m", "unloaded", True, None)]
        ready = (await http.get("/health/ready")).json()
        assert ready["detail"] == "m: it was unloaded; POST /models/m/load brings it back"
        assert 'percept_model_ready{model="m"} 0.0' in (await http.get("/metrics")).text
        assert (await http.post("/models/m@1/load")).json()["manifest"]["version"] == "1"
        assert await classified(http) == (200, "1")
        assert await is_ready(http)

    play(scene, root)


def test_a_model_beside_the_configured_ones(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        assert (await http.post("/models/beside/load")).json()["configured"] is False
        assert await shown(http) == [("m", "ready", True, "2"), ("beside", "ready", False, "1")]
        assert await classified(http, model="beside") == (200, "1")
        assert await classified(http) == (200, "2")
        assert (await http.post("/models/beside/unload")).json()["state"] == "unloaded"
        assert await shown(http) == [("m", "ready", True, "2")]
        assert await classified(http, model="beside") == (404, "model_not_found")
        assert await is_ready(http)

    play(scene, root)


def test_metrics_keep_their_labels_over_a_reload(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        await classified(http)
        publish(root, "m")
        await http.post("/models/m/reload")
        await classified(http)
        lines = (await http.get("/metrics")).text.splitlines()
        assert 'percept_requests_total{model="m",route="/classify-image",status="200"} 2.0' in lines
        assert 'percept_requests_total{model="m",route="/models/{name}/reload",status="200"} 1.0' in lines
        assert 'percept_model_info{model="m",provider="cpu",variant="fp32",version="3"} 1.0' in lines
        assert 'percept_in_flight_requests{model="m"} 0.0' in lines

    play(scene, root)


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        ("/models/broken/load", 503, "not_ready", "broken was not loaded: broken@1: fp32 differs"),
        ("/models/nothing/load", 404, "model_not_found", "there is no model nothing"),
        ("/models/m@9/load", 404, "model_not_found", "there is no model m@9"),
        ("/models/nothing/reload", 404, "model_not_found", "there is no model nothing"),
        ("/models/beside/reload", 404, "model_not_found", "beside is published but not loaded"),
        ("/models/m@1/unload", 404, "model_not_found", "m@1 is published but not loaded"),
        ("/models/m/reload?version=2", 422, "invalid_parameter", "there is no field `version`"),
        ("/models/m/retire", 404, "not_found", "there is nothing at /models/m/retire"),
    ],
)
def test_what_cannot_be_done_is_said(root: Path, path: str, status: int, code: str, words: str) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        answer = await http.post(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"]
        assert str(root) not in answer.text
        assert ("retry-after" in answer.headers) is (status == 503)
        assert await classified(http) == (200, "2")

    play(scene, root)


def test_a_deadline_is_kept(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        answer = await http.post("/models/m/reload", headers={"X-Request-Timeout": "1e-9"})
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        wrong = await http.post("/models/m/reload", headers={"X-Request-Timeout": "soon"})
        assert wrong.json()["code"] == "invalid_parameter"

    play(scene, root)


def test_reading_is_no_admins_business_and_changing_is_no_get(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        assert (await http.get("/models")).status_code == 200
        answer = await http.get("/models/m/reload")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")

    play(scene, root, ELSEWHERE)


@pytest.mark.parametrize("change", ["load", "reload", "unload"])
def test_without_keys_another_machine_is_refused(root: Path, change: str) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        answer = await http.post(f"/models/m/{change}", headers={"X-Forwarded-For": "127.0.0.1"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "PERCEPT_API_KEYS" in answer.json()["detail"]
        assert await shown(http) == [("m", "ready", True, "2")]

    play(scene, root, ELSEWHERE)


def test_with_keys_the_admins_may_from_anywhere(root: Path) -> None:
    keys = tuple(
        ApiKey(role=role, sha256=hashlib.sha256(role.encode()).hexdigest()) for role in ("inference", "admin")
    )

    async def scene(http: httpx.AsyncClient) -> None:
        for key, status in (("", 401), ("inference", 403), ("admin", 200)):
            answer = await http.post("/models/m/reload", headers={"X-API-Key": key})
            assert answer.status_code == status

    async def started() -> None:
        app = create_app(Settings(artifacts=root, models=("m",), api_keys=keys))
        transport = httpx.ASGITransport(app, client=ELSEWHERE)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://percept", timeout=60) as http,
        ):
            await scene(http)

    asyncio.run(started())


def test_changes_that_come_together_are_made_one_after_another(root: Path) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        paths = ["m/reload", "m/unload", "m/load", "m/reload", "m@1/load"]
        answers = await asyncio.gather(*(http.post(f"/models/{path}") for path in paths))
        assert {answer.status_code for answer in answers} == {200}
        assert [answer.json()["state"] for answer in answers] == ["ready", "unloaded", "ready", "ready", "ready"]
        assert await shown(http) == [("m", "ready", True, "1")]

    play(scene, root)


def test_it_is_documented(root: Path) -> None:
    schema = create_app(Settings(artifacts=root, models=("m",))).openapi()
    for change in ("load", "reload", "unload"):
        operation = schema["paths"][f"/models/{{name}}/{change}"]["post"]
        assert operation["responses"].keys() == {"200", "401", "403", "404", "422", "429", "503", "504"}
        assert operation["summary"]
        assert operation["description"]
        (parameter,) = operation["parameters"]
        assert (parameter["name"], parameter["in"], parameter["required"]) == ("name", "path", True)
    assert schema["components"]["schemas"]["ModelAnswer"]["example"]["draining"] == ["1"]
