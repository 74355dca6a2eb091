"""Whatever is sent to /classify-image: a clear problem, and nothing is left behind or spoiled for others."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.bombs import squeezed
from tests.contract.problems import (
    BROKEN,
    PATIENCE_S,
    Bad,
    assert_problem,
    await_true,
    connection,
    head,
    nothing_left,
    read_answer,
)
from tests.pictures import CLOCK, WALL_CLOCK, clock, encoded
from tests.pngs import chunk
from tests.served import Served
from tests.tiffs import FLOATS, Layout, tiff

pytestmark = pytest.mark.xdist_group("bad-input")
ROUTE = "/classify-image"
LIMIT_BYTES = 32 << 20


def _file(data: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    return {"files": {"file": (name, data, "image/jpeg")}}


def _bomb_of_pixels() -> bytes:
    return encoded(Image.new("1", (20_000, 20_000)), "PNG")


def _bomb_of_bytes() -> bytes:
    """A small picture with a comment that inflates to 500 MB."""
    head, rest = (picture := encoded(clock(), "PNG"))[:33], picture[33:]
    return head + chunk(b"zTXt", b"Comment\0\0" + squeezed(bytes(1 << 20), 500)) + rest


def _float_tiff() -> bytes:
    return tiff(np.zeros((20, 20, 3)), Layout(32, FLOATS))


def _lying_png() -> bytes:
    """A header that promises more pixels than follow."""
    data = bytearray(encoded(Image.new("RGB", (10, 10)), "PNG"))
    data[16:24] = struct.pack(">II", 9_000, 9_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


GOOD = CLOCK.read_bytes()
BAD = [
    Bad("empty body", 400, "malformed_request", dict),
    Bad("empty raw body", 400, "malformed_request", dict, headers={"Content-Type": "image/png"}),
    Bad("missing file", 400, "malformed_request", lambda: {"files": {"other": (None, b"x")}}),
    Bad("empty part", 400, "malformed_request", lambda: _file(b"")),
    Bad("a file by another name", 400, "malformed_request", lambda: {"files": {"image": ("a.jpg", bytes(100_000))}}),
    Bad("two files", 400, "malformed_request", lambda: {"files": [("file", GOOD), ("file", GOOD)]}),
    Bad("wrong type", 415, "unsupported_media", lambda: {"json": {"file": "x"}}),
    Bad("no type", 415, "unsupported_media", lambda: {"content": GOOD}),
    Bad("compressed body", 415, "unsupported_media", lambda: _file(GOOD), headers={"Content-Encoding": "gzip"}),
    Bad("text named .jpg", 415, "unsupported_media", lambda: _file(b"this is no picture\n" * 50)),
    Bad("one byte", 415, "unsupported_media", lambda: _file(b"\xff")),
    Bad("truncated JPEG", 422, "undecodable_image", lambda: _file(GOOD[: len(GOOD) // 2])),
    Bad("header only", 422, "undecodable_image", lambda: _file(GOOD[:20])),
    Bad("bomb of pixels", 413, "image_too_large", lambda: _file(_bomb_of_pixels())),
    Bad("TIFF of floats", 415, "unsupported_media", lambda: _file(_float_tiff())),
    Bad("lying header", 422, "undecodable_image", lambda: _file(_lying_png())),
    Bad("top_k 0", 422, "invalid_parameter", lambda: _file(GOOD), "?top_k=0"),
    Bad("top_k huge", 422, "invalid_parameter", lambda: _file(GOOD), "?top_k=1001"),
    Bad("top_k enormous", 422, "invalid_parameter", lambda: _file(GOOD), f"?top_k={'9' * 5000}"),
    Bad("top_k text", 422, "invalid_parameter", lambda: _file(GOOD), "?top_k=five"),
    Bad("top_k twice", 422, "invalid_parameter", lambda: _file(GOOD) | {"data": {"top_k": "2"}}, "?top_k=1"),
    Bad("min_score NaN", 422, "invalid_parameter", lambda: _file(GOOD), "?min_score=nan"),
    Bad("unknown query field", 422, "invalid_parameter", lambda: _file(GOOD), "?topk=3"),
    Bad("unknown form field", 422, "invalid_parameter", lambda: _file(GOOD) | {"data": {"colour": "red"}}),
    Bad("bad deadline", 422, "invalid_parameter", lambda: _file(GOOD), headers={"X-Request-Timeout": "soon"}),
    Bad("deadline passed", 504, "deadline_exceeded", lambda: _file(GOOD), headers={"X-Request-Timeout": "0.000001"}),
    Bad("unknown model", 404, "model_not_found", lambda: _file(GOOD), "?model=resnet-50"),
    Bad("unknown model in the form", 404, "model_not_found", lambda: _file(GOOD) | {"data": {"model": "../x"}}),
    Bad("unknown version", 404, "model_not_found", lambda: _file(GOOD), "?model=efficientnet-lite0@999"),
    Bad("broken multipart", 400, "malformed_request", lambda: {"content": b"--y\r\n\r\n"}, headers=BROKEN),
    Bad("unfinished multipart", 400, "malformed_request",
        lambda: {"content": b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + GOOD}, headers=BROKEN),
    Bad("no boundary", 400, "malformed_request", lambda: {"content": GOOD},
        headers={"Content-Type": "multipart/form-data"}),
    Bad("too many bytes", 413, "payload_too_large", lambda: _file(bytes(LIMIT_BYTES + 1))),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def warm(service: Served) -> None:
    """Threads that stay are started with the first requests."""
    _assert_good(service)


@pytest.fixture(autouse=True)
def nothing_is_left(service: Served) -> Iterator[None]:
    """As the name says, after each test."""
    with nothing_left(service, _assert_good):
        yield


def _assert_good(service: Served) -> None:
    answer = httpx.post(service.url + ROUTE, **_file(GOOD), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["class_id"] == WALL_CLOCK


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_gets_its_problem(service: Served, bad: Bad) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        answer = client.post(ROUTE + bad.query, headers=bad.headers, **bad.request())
        assert_problem(answer, bad.status, bad.code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", ROUTE, 405, "method_not_allowed"), ("POST", "/classify", 404, "not_found")],
)
def test_a_wrong_route_gets_its_problem(service: Served, method: str, path: str, status: int, code: str) -> None:
    assert_problem(httpx.request(method, service.url + path), status, code)


def test_a_wrong_method_names_the_right_one(service: Served) -> None:
    assert httpx.get(service.url + ROUTE).headers["allow"] == "POST"


def test_a_comment_that_inflates_without_end_is_passed_over(service: Served) -> None:
    before = service.memory_mb("VmHWM")
    answer = httpx.post(service.url + ROUTE, **_file(_bomb_of_bytes()), timeout=PATIENCE_S).raise_for_status()
    assert answer.json()["predictions"][0]["class_id"] == WALL_CLOCK
    assert service.memory_mb("VmHWM") - before < 50


def test_memory_is_bounded_under_bombs(service: Served) -> None:
    before = service.memory_mb("VmHWM")
    for bomb in (_bomb_of_pixels(), _bomb_of_bytes()):
        httpx.post(service.url + ROUTE, **_file(bomb), timeout=PATIENCE_S)
    assert service.memory_mb("VmHWM") - before < 200


def _head(length: int) -> bytes:
    return head(ROUTE, "image/jpeg", length)


def _endless(total: int, sent: list[int]) -> Iterator[bytes]:
    piece = bytes(1 << 16)
    for _ in range(total // len(piece)):
        sent[0] += len(piece)
        yield piece


def test_a_gigabyte_is_refused_while_reading(service: Served) -> None:
    before, sent = service.memory_mb("VmHWM"), [0]
    headers = {"Content-Type": "image/jpeg"}  # no Content-Length: it comes in chunks
    answer = httpx.post(service.url + ROUTE, headers=headers, content=_endless(10**9, sent), timeout=PATIENCE_S)
    assert_problem(answer, 413, "payload_too_large")
    assert service.memory_mb("VmHWM") - before < 100


def test_a_declared_gigabyte_is_refused_before_reading(service: Served) -> None:
    with connection(service) as wire:
        wire.sendall(_head(10**9))
        status, body = read_answer(wire)
    assert (status, body["code"]) == (413, "payload_too_large")


def test_a_stalled_upload_is_ended(service: Served) -> None:
    with connection(service) as wire:
        wire.sendall(_head(100_000) + b"x" * 1000)
        status, body = read_answer(wire)
    assert (status, body["code"]) == (408, "request_timeout")


def test_a_client_that_vanishes_mid_upload_leaves_nothing(service: Served) -> None:
    before = service.metric("percept_cancelled_total")
    with connection(service) as wire:
        wire.sendall(_head(100_000) + b"x" * 1000)
        await_true(lambda: service.metric("percept_in_flight_requests") == 1)
    await_true(lambda: service.metric("percept_cancelled_total") == before + 1)


def test_many_that_vanish_do_not_fill_the_queue(service: Served) -> None:
    before = service.metric("percept_cancelled_total")
    for _ in range(80):  # more than the queue has places
        with connection(service) as wire:
            wire.sendall(_head(len(GOOD)) + GOOD[: len(GOOD) // 2])
    await_true(lambda: service.metric("percept_cancelled_total") == before + 80)
