"""What OpenAPI says of errors, keys and uploads is so: every example is provoked, word for word."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import shutil
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from service.api.deps import Services
from service.app import create_app
from service.errors import QueueFull
from service.settings import ApiKey, Settings
from tests.artifacts import picture, publish
from tests.media import silent_film
from tests.pictures import CLOCK, encoded

pytestmark = pytest.mark.xdist_group("small-whisper")
KEY = "open sesame"
KEYS = (ApiKey(role="inference", sha256=hashlib.sha256(KEY.encode()).hexdigest()),)
IMAGES, SPEECH = "efficientnet-lite0", "whisper-base"
SMALL_SPEECH = "whisper-small-test"
CLASSIFY, TRANSCRIBE, READY, MODELS, MODEL = (
    "/classify-image",
    "/transcribe",
    "/health/ready",
    "/models",
    "/models/{name}",
)
LOAD, RELOAD, UNLOAD = (f"{MODEL}/{change}" for change in ("load", "reload", "unload"))
NOW = {"X-Request-Timeout": "0.000000001"}
Prepare = Callable[[FastAPI, ExitStack], None]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, speech_store: Path) -> Path:
    """A model for pictures under the default one's name, whose second version is damaged; and a small Whisper."""
    root = tmp_path_factory.mktemp("store") / "artifacts"
    shutil.copytree(speech_store, root)
    publish(root, IMAGES)
    graph = publish(root, IMAGES).folder / "model.fp32.onnx"
    graph.write_bytes(bytes(byte ^ 1 for byte in graph.read_bytes()))
    return root


def nothing(app: FastAPI, held: ExitStack) -> None:
    """Leave the application as it is."""


def full(app: FastAPI, held: ExitStack) -> None:
    """Take every place of every model."""
    for model in app.state.services.registry.ready():
        with suppress(QueueFull):
            for client in itertools.count():
                held.enter_context(model.engine.admit(str(client)))


def busy_with_changes(app: FastAPI, held: ExitStack) -> None:
    """Take every place among the changes."""
    places = app.state.services.changes
    opened = threading.Event()
    held.callback(opened.set)
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task(places.make(opened.wait, 60.0)) for _ in range(16)]
    held.callback(lambda: [each.cancel() for each in waiting])


@dataclass(frozen=True)
class Case:
    """What is sent, and to an application in what state."""

    request: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"
    stage: str = "loaded"
    prepare: Prepare = nothing
    step_s: float = 0.0
    """By which the clock goes on whenever it is read."""
    name: str = IMAGES
    """Of the model, where the route has one."""


def sent(data: bytes, **more: Any) -> dict[str, Any]:
    return {"files": {"file": data}, **more}


def of_pixels(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, and holds nothing."""
    data = bytearray(encoded(Image.new("RGB", (10, 10)), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def wav(frames: int, rate_hz: int = 2_000) -> bytes:
    """Silence in 8 bits."""
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz, 1, 8)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", frames)
    return b"RIFF" + struct.pack("<I", len(chunks) + frames) + chunks + bytes([128]) * frames


def uploads(route: str, good: bytes, limit: int) -> dict[tuple[str, str], Case]:
    """What both routes for media may answer."""
    kind = "image/png" if route == CLASSIFY else "audio/wav"
    return {
        (route, "malformed_request"): Case({"files": {"image": ("a.jpg", good)}}),
        (route, "unauthorized"): Case(sent(good), stage="guarded"),
        (route, "request_timeout"): Case({"content": good, "headers": {"Content-Type": kind}}, step_s=11.0),
        (route, "payload_too_large"): Case(
            {"content": b"x", "headers": {"Content-Type": kind, "Content-Length": str(limit + 1)}}
        ),
        (route, "unsupported_media"): Case(sent(b"this is neither picture nor sound\n" * 50)),
        (route, "queue_full"): Case(sent(good), prepare=full),
        (route, "not_ready"): Case(sent(good), stage="unloaded"),
        (route, "draining"): Case(sent(good), stage="stopped"),
        (route, "deadline_exceeded"): Case(sent(good, headers=NOW), step_s=1.0),
    }


def changes(route: str) -> dict[tuple[str, str], Case]:
    """What every route that changes what is served may answer."""
    return {
        (route, "unauthorized"): Case(stage="guarded"),
        (route, "forbidden"): Case({"headers": {"X-API-Key": KEY}}, stage="guarded"),
        (route, "model_not_found"): Case(name="resnet-50"),
        (route, "invalid_parameter"): Case({"params": {"version": "2"}}),
        (route, "queue_full"): Case(prepare=busy_with_changes),
        (route, "draining"): Case(stage="stopped"),
        (route, "deadline_exceeded"): Case({"headers": NOW}, step_s=1.0),
    }


HOURS_S = 4 * 3600
CASES = {
    **uploads(CLASSIFY, CLOCK.read_bytes(), 32 << 20),
    (CLASSIFY, "model_not_found"): Case(sent(picture(0), params={"model": "resnet-50"})),
    (CLASSIFY, "image_too_large"): Case(sent(of_pixels(20_000, 20_000))),
    (CLASSIFY, "invalid_parameter"): Case(sent(picture(0), params={"topk": "3"})),
    (CLASSIFY, "undecodable_image"): Case(sent(CLOCK.read_bytes()[:5_000])),
    **uploads(TRANSCRIBE, wav(2_000), 2 << 30),
    (TRANSCRIBE, "model_not_found"): Case(sent(wav(100), params={"model": "whisper-huge"})),
    (TRANSCRIBE, "audio_too_long"): Case(sent(wav(HOURS_S * 2_000 + 20_000))),
    (TRANSCRIBE, "invalid_parameter"): Case(sent(wav(100), params={"beam_size": "6"})),
    (TRANSCRIBE, "undecodable_audio"): Case(sent(wav(0))),
    (TRANSCRIBE, "no_audio_stream"): Case(sent(silent_film())),
    (MODELS, "unauthorized"): Case(method="GET", stage="guarded"),
    (MODEL, "unauthorized"): Case(method="GET", stage="guarded"),
    (MODEL, "model_not_found"): Case(method="GET", name="resnet-50"),
    **changes(LOAD),
    **changes(RELOAD),
    **changes(UNLOAD),
    (LOAD, "not_ready"): Case(name=f"{IMAGES}@2"),
    (RELOAD, "not_ready"): Case(),
    (READY, "not_ready"): Case(method="GET", stage="unloaded"),
    (READY, "draining"): Case(method="GET", stage="stopped"),
}


def documented(app: FastAPI) -> dict[tuple[str, str], dict[str, Any]]:
    """Every example of a problem that OpenAPI shows, by route and code."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            for response in operation["responses"].values():
                examples = response.get("content", {}).get("application/problem+json", {}).get("examples", {})
                found |= {(path, code): example["value"] for code, example in examples.items()}
    return found


@dataclass
class Stage:
    """An application and its clock."""

    store: Path
    is_loaded: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    now: float = 0.0
    step_s: float = 0.0
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(artifacts=self.store, models=(IMAGES, SMALL_SPEECH), providers="cpu", **self.settings)
        self.app = create_app(settings, self._clock)
        if self.is_loaded:
            self.services.registry.load(f"{IMAGES}@1")
            self.services.registry.load(SMALL_SPEECH)
            self.services.changes.start(lambda: None)

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    def _clock(self) -> float:
        self.now += self.step_s
        return self.now

    def stop(self) -> None:
        """At the end of everything."""
        self.services.stop_admitting()
        self.services.changes.stop()
        self.services.registry.stop(10.0)

    async def ask(self, path: str, case: Case) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 9))
        self.step_s = case.step_s
        with ExitStack() as held:
            case.prepare(self.app, held)
            await asyncio.sleep(0)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
                return await client.request(case.method, path.format(name=case.name), **case.request)


@pytest.fixture(scope="module")
def stages(store: Path) -> Iterator[dict[str, Stage]]:
    """Applications in each state of theirs."""
    made = {
        "loaded": Stage(store, is_loaded=True),
        "stopped": Stage(store, is_loaded=True),
        "unloaded": Stage(store),
        "guarded": Stage(store, settings={"api_keys": KEYS}),
    }
    made["stopped"].stop()
    yield made
    made["loaded"].stop()


@pytest.mark.parametrize(("path", "code"), CASES, ids=lambda part: part.strip("/"))
def test_an_example_is_what_the_service_says(stages: dict[str, Stage], path: str, code: str) -> None:
    case = CASES[path, code]
    stage = stages[case.stage]
    answer = asyncio.run(stage.ask(path, case))
    example = documented(stage.app)[path, code]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == example["status"]
    expected = {**example, "detail": example["detail"].replace(SPEECH, SMALL_SPEECH)}
    assert answer.json() == {**expected, "request_id": answer.headers["x-request-id"]}


def app_with(**settings: Any) -> FastAPI:
    return create_app(Settings(models=("nothing",), providers="cpu", **settings))


def test_every_example_is_tried() -> None:
    assert documented(app_with()).keys() == CASES.keys()


@pytest.mark.parametrize("has_keys", [False, True])
def test_routes_that_take_a_key_show_it(has_keys: bool) -> None:
    schema = app_with(api_keys=KEYS if has_keys else ()).openapi()
    assert schema["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`X-API-Key: KEY`"},
    }
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}]
    for path, operations in schema["paths"].items():
        takes_key = path in {CLASSIFY, TRANSCRIBE} or path.startswith(MODELS)
        for operation in operations.values():
            expected = (ways if has_keys else [{}, *ways]) if takes_key else None
            assert operation.get("security") == expected, path


@pytest.mark.parametrize("path", [CLASSIFY, TRANSCRIBE])
def test_a_page_can_fill_in_an_upload(path: str) -> None:
    """The file is chosen as a file, and what a page fills in by itself changes nothing and stands in one place."""
    operation = app_with().openapi()["paths"][path]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    fields = dict(form["properties"])
    assert fields.pop("file") == {"type": "string", "format": "binary"}
    assert all("default" in schema or schema["example"] == "" for schema in fields.values())
    query = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
    assert query.keys() == fields.keys()
    assert not [name for name, schema in query.items() if {"default", "example"} & schema.keys()]
