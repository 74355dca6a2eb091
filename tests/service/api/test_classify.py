"""POST /classify-image over a model that knows dark from bright."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from models.manifest import Calibration, Manifest
from models.store import Staging, Store
from service.app import create_app
from service.settings import Settings
from tests.artifacts import fill, picture, publish
from tests.pictures import CLOCK


def _calibrated(staging: Staging) -> Manifest:
    manifest = fill("calibrated", {"fp32": 1.0})(staging)
    calibration = Calibration(temperature=1.0, confident_score=0.7, data="none", ece=0.0)
    return manifest.model_copy(update={"calibration": calibration})


def _grouped(staging: Staging) -> Manifest:
    """One that asks more of a group than of a class, and one peak that two classes cannot reach."""
    manifest = fill("grouped", {"fp32": 1.0})(staging)
    peak = None if staging.version == "1" else 1.01
    calibration = Calibration(
        temperature=1.0,
        confident_score=0.7,
        confident_peak=peak,
        group_score=0.9,
        group_peak=peak,
        data="none",
        ece=0.0,
    )
    return manifest.model_copy(update={"calibration": calibration})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    root: Path = tmp_path_factory.mktemp("store")
    publish(root)
    publish(root, "idle")
    Store(root).build("calibrated", _calibrated)
    for _ in range(2):
        Store(root).build("grouped", _grouped)
    models = ("brightness", "calibrated", "grouped@1", "grouped@2")
    made = create_app(Settings(artifacts=root, models=models, max_timeout_s=60.0))
    made.state.services.registry.load_all()
    yield made
    made.state.services.registry.stop(10.0)


def ask(app: FastAPI, **request: Any) -> httpx.Response:
    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://percept") as client:
            return await client.post("/classify-image", **request)

    return asyncio.run(post())


def test_an_answer_is_what_was_promised(app: FastAPI) -> None:
    answer = ask(app, files={"file": picture(200)}, headers={"X-Request-ID": "call-1"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["model"] == {"name": "brightness", "version": "1", "variant": "fp32"}
    assert [(each["class_id"], each["label"], each["group"]) for each in body["predictions"]] == [
        (1, "bright", "light"),
        (0, "dark", None),
    ]
    assert [each["score"] for each in body["predictions"]] == pytest.approx([200 / 255, 55 / 255], abs=1e-6)
    assert body["groups"] == [{"group": "light", "score": pytest.approx(200 / 255, abs=1e-6)}]
    assert body["image"] == {"width": 10, "height": 10, "format": "PNG"}
    assert body["timing"].keys() == {"queue_ms", "decode_ms", "inference_ms", "total_ms", "batch_size"}
    assert "confident" not in body
    assert answer.headers["x-request-id"] == "call-1"
    assert [part.partition(";")[0] for part in answer.headers["server-timing"].split(", ")] == [
        "queue", "decode", "inference", "total",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "IMAGE/x-whatever; charset=none"])
def test_the_body_may_be_the_file_and_its_type_is_not_believed(app: FastAPI, kind: str) -> None:
    answer = ask(app, content=picture(255), headers={"Content-Type": kind})
    assert answer.json()["predictions"][0]["label"] == "bright"


def test_parameters_come_from_the_query_or_the_form(app: FastAPI) -> None:
    file = {"file": picture(200)}
    for request in ({"params": {"top_k": "1"}}, {"data": {"top_k": "1"}}, {"data": {"min_score": "0.5"}}):
        assert len(ask(app, files=file, **request).json()["predictions"]) == 1


@pytest.mark.parametrize("reference", ["brightness", "brightness@1"])
@pytest.mark.parametrize("place", ["params", "data"])
def test_a_model_may_be_named(app: FastAPI, place: str, reference: str) -> None:
    assert ask(app, files={"file": picture(0)}, **{place: {"model": reference}}).status_code == 200


@pytest.mark.parametrize("place", ["params", "data"])
@pytest.mark.parametrize(
    "reference", ["nothing", "brightness@2", "idle", "../x", "x" * 300, "x" * 5000, "brightness@" + "1" * 5000, "猫"]
)
def test_another_model_is_not_found(app: FastAPI, place: str, reference: str) -> None:
    answer = ask(app, files={"file": picture(0)}, **{place: {"model": reference}})
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("place", ["params", "data"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_k", "0"), ("top_k", "3"), ("top_k", "1.0"), ("top_k", " "), ("top_k", "9" * 5000),
        ("min_score", "1.1"), ("min_score", "nan"), ("min_score", "0_1"), ("min_score", "-1e-9"), ("topk", "1"),
        ("lang", "zh"), ("explain", "true"),
    ],
)  # fmt: skip
def test_a_wrong_or_unknown_field_is_422(app: FastAPI, place: str, name: str, value: str) -> None:
    answer = ask(app, files={"file": picture(0)}, **{place: {name: value}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    assert f"`{name}`" in answer.json()["detail"]


@pytest.mark.parametrize("place", ["params", "data"])
def test_empty_fields_mean_their_defaults(app: FastAPI, place: str) -> None:
    empty = ask(app, files={"file": picture(200)}, **{place: {"top_k": "", "model": "", "min_score": ""}})
    assert empty.status_code == 200
    assert empty.json()["predictions"] == ask(app, files={"file": picture(200)}).json()["predictions"]


def test_a_picture_may_come_in_base64_behind_a_preamble(app: FastAPI) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    body = b"In several parts.\r\n" + head + base64.encodebytes(picture(255)) + b"\r\n--b--"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert ask(app, content=body, headers=headers).json()["predictions"][0]["label"] == "bright"
    broken = ask(app, content=body.replace(b"base64\r\n\r\n", b"base64\r\n\r\n!"), headers=headers)
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed_request")
    assert "base64" in broken.json()["detail"]


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_picture_by_another_name_is_400(app: FastAPI, size: int) -> None:
    answer = ask(app, files={"image": ("a.png", picture(0) + bytes(size))})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert "a file as the part `image`" in answer.json()["detail"]


def test_a_field_in_both_places_is_422(app: FastAPI) -> None:
    answer = ask(app, files={"file": picture(0)}, params={"top_k": "1"}, data={"top_k": "1"})
    assert answer.json()["code"] == "invalid_parameter"


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "inf", "soon", "", "1_0"])
def test_a_deadline_out_of_range_is_422(app: FastAPI, seconds: str) -> None:
    answer = ask(app, files={"file": picture(0)}, headers={"X-Request-Timeout": seconds})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_a_deadline_that_cannot_be_kept_is_504(app: FastAPI) -> None:
    answer = ask(app, files={"file": picture(0)}, headers={"X-Request-Timeout": "1e-9"})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


def test_neighbours_keep_their_own_answers(app: FastAPI) -> None:
    levels = [*range(0, 256, 15)]

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://percept") as client:
            files = [picture(level) if level % 2 else b"no picture" for level in levels]
            return await asyncio.gather(*(client.post("/classify-image", files={"file": file}) for file in files))

    for level, answer in zip(levels, asyncio.run(ask_all()), strict=True):
        if level % 2:
            scores = {each["label"]: each["score"] for each in answer.json()["predictions"]}
            assert scores["bright"] == pytest.approx(level / 255, abs=1e-5)
        else:
            assert answer.json()["code"] == "unsupported_media"


def test_nothing_stays_inside(app: FastAPI) -> None:
    ask(app, files={"file": CLOCK.read_bytes()})
    ask(app, content=b"", headers={"Content-Type": "image/png"})
    for model in app.state.services.registry.ready():
        assert (model.engine.in_flight, model.engine.queue_depth) == (0, 0)


@pytest.mark.parametrize(("level", "is_confident"), [(255, True), (200, True), (150, False), (0, True)])
def test_a_calibrated_model_says_whether_to_believe_it(app: FastAPI, level: int, is_confident: bool) -> None:
    answer = ask(app, files={"file": picture(level)}, params={"model": "calibrated"})
    assert answer.json()["confident"] is is_confident


def test_groups_keep_to_the_least_score_too(app: FastAPI) -> None:
    assert ask(app, files={"file": picture(200)}, params={"min_score": "0.9"}).json()["groups"] == []
    assert ask(app, files={"file": picture(0)}).json()["groups"] == []


@pytest.mark.parametrize(
    ("level", "of_class", "of_group"), [(255, True, True), (200, True, False), (150, False, False)]
)
def test_a_group_is_believed_by_a_limit_of_its_own(app: FastAPI, level: int, of_class: bool, of_group: bool) -> None:
    answer = ask(app, files={"file": picture(level)}, params={"model": "grouped@1"}).json()
    assert answer["confident"] is of_class
    assert [each["confident"] for each in answer["groups"]] == [of_group]


def test_without_a_limit_a_group_says_nothing_of_belief(app: FastAPI) -> None:
    for model in ("brightness", "calibrated"):
        answer = ask(app, files={"file": picture(255)}, params={"model": model}).json()
        assert [each.keys() for each in answer["groups"]] == [{"group", "score"}]


def test_what_lacks_the_peak_of_known_inputs_is_not_believed(app: FastAPI) -> None:
    answer = ask(app, files={"file": picture(255)}, params={"model": "grouped@2"}).json()
    assert answer["confident"] is False
    assert [each["confident"] for each in answer["groups"]] == [False]
