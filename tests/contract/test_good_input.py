"""Pictures as people really send them are answered like the plain picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from tests.pictures import CLOCK, WALL_CLOCK, clock, encoded, unusual
from tests.served import Served, served

pytestmark = pytest.mark.xdist_group("good-input")
ROUTE = "/classify-image"


@pytest.mark.parametrize("kind", unusual().keys())
def test_unusual_but_good_input_is_recognised(service: Served, kind: str) -> None:
    answer = httpx.post(service.url + ROUTE, files={"file": unusual()[kind]}).raise_for_status().json()
    assert answer["predictions"][0]["class_id"] == WALL_CLOCK
    assert (answer["image"]["width"], answer["image"]["height"]) == clock().size


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/*", "IMAGE/PNG; charset=x"])
def test_a_raw_body_is_read_by_its_bytes(service: Served, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = httpx.post(service.url + ROUTE, content=CLOCK.read_bytes(), headers=headers).raise_for_status().json()
    assert answer["predictions"][0]["class_id"] == WALL_CLOCK
    assert answer["image"] == {"width": 500, "height": 375, "format": "JPEG"}


@pytest.mark.parametrize("size", [(30_000, 40), (30_000, 3_000), (40, 30_000)])
def test_an_extreme_strip_costs_little(service: Served, size: tuple[int, int]) -> None:
    before = service.memory_mb("VmHWM")
    strip = encoded(Image.new("RGB", size, (90, 120, 60)), "PNG")
    answer = httpx.post(service.url + ROUTE, files={"file": strip}, timeout=30).raise_for_status().json()
    assert (answer["image"]["width"], answer["image"]["height"]) == size
    decoded_mb = size[0] * size[1] * 4 / 1e6
    assert service.memory_mb("VmHWM") - before < decoded_mb + 100


def test_the_answer_has_the_promised_shape(service: Served) -> None:
    parameters = {"top_k": "3", "min_score": "0.01", "model": "efficientnet-lite0"}
    got = httpx.post(service.url + ROUTE, files={"file": CLOCK.read_bytes()}, data=parameters)
    answer = got.raise_for_status().json()
    assert answer.keys() == {"model", "predictions", "groups", "confident", "image", "timing"}
    assert isinstance(answer["confident"], bool)
    assert answer["model"].keys() == {"name", "version", "variant"}
    scores = [each["score"] for each in answer["predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert 1 <= len(scores) <= 3
    assert min(scores) >= 0.01
    assert answer["predictions"][0] | {"score": 0} == {
        "class_id": WALL_CLOCK, "label": "wall clock", "group": answer["predictions"][0]["group"], "score": 0,
    }  # fmt: skip
    assert answer["timing"].keys() == {"queue_ms", "decode_ms", "inference_ms", "total_ms", "batch_size"}
    assert {"queue", "decode", "inference", "total"} == {
        stage.split(";")[0].strip() for stage in got.headers["server-timing"].split(",")
    }


def test_an_id_is_echoed(service: Served) -> None:
    sent = {"X-Request-ID": "call-42"}
    assert httpx.get(f"{service.url}/health/live", headers=sent).headers["x-request-id"] == "call-42"


def test_all_classes_can_be_had_and_sum_to_one(service: Served) -> None:
    url = f"{service.url}{ROUTE}?top_k=1000"
    answer = httpx.post(url, files={"file": CLOCK.read_bytes()}).raise_for_status().json()
    assert sum(each["score"] for each in answer["predictions"]) == pytest.approx(1, abs=1e-3)


def test_eight_clients_are_never_refused(service: Served) -> None:
    def ask(_: int) -> int:
        return httpx.post(service.url + ROUTE, files={"file": CLOCK.read_bytes()}, timeout=30).status_code

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(ask, range(64))) == {200}


def test_the_catalogue_says_what_was_decided_and_why(service: Served) -> None:
    listed = httpx.get(f"{service.url}/models").raise_for_status().json()["models"]
    one = httpx.get(f"{service.url}/models/{listed[0]['reference']}").raise_for_status().json()
    assert one == listed[0]
    assert one["state"] == "ready"
    assert one["plan"].keys() == {"lanes", "threads", "max_batch", "reason"}
    assert one["manifest"]["metrics"]


def test_openapi_is_complete(service: Served) -> None:
    paths = httpx.get(f"{service.url}/openapi.json").raise_for_status().json()["paths"]
    route = paths[ROUTE]["post"]
    assert {"multipart/form-data", "image/*"} == route["requestBody"]["content"].keys()
    assert {"200", "400", "404", "408", "413", "415", "422", "429", "503", "504"} <= route["responses"].keys()


def test_resident_memory_is_small() -> None:
    """MB when ready: photos alone, and with speech."""
    for models, most_mb in (("efficientnet-lite0", 350), ("efficientnet-lite0,whisper-base", 700)):
        with served(models=models) as fresh:
            assert fresh.memory_mb() <= most_mb
