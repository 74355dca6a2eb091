"""Whatever is sent to /transcribe: a clear problem, and nothing is left behind or spoiled for others."""

from __future__ import annotations

import io
import random
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from service.plan import plan_speech, usable_processors
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
from tests.media import RECIPES, silent_film, sound_file
from tests.pictures import CLOCK
from tests.served import Served
from tests.voices import babble

pytestmark = pytest.mark.xdist_group("bad-speech")
ROUTE = "/transcribe"
GOOD, TONE = babble(2.0), sound_file(RECIPES["wav 16 bit"], 1.0)


def _file(data: bytes, name: str = "speech.wav") -> dict[str, Any]:
    return {"files": {"file": (name, data, "audio/wav")}}


def _wav(frames: bytes, rate_hz: int = 8_000, width: int = 1) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(frames)
    return buffer.getvalue()


def _field(name: str, value: str) -> Bad:
    return Bad(f"{name}={value[:20]}", 422, "invalid_parameter", lambda: _file(GOOD) | {"data": {name: value}})


BAD = [
    Bad("empty body", 400, "malformed_request", dict),
    Bad("empty raw body", 400, "malformed_request", dict, headers={"Content-Type": "audio/wav"}),
    Bad("empty part", 400, "malformed_request", lambda: _file(b"")),
    Bad("missing file", 400, "malformed_request", lambda: {"files": {"other": (None, b"x")}}),
    Bad("two files", 400, "malformed_request", lambda: {"files": [("file", GOOD), ("file", GOOD)]}),
    Bad("broken multipart", 400, "malformed_request", lambda: {"content": b"--y\r\n\r\n"}, headers=BROKEN),
    Bad("wrong type", 415, "unsupported_media", lambda: {"json": {"file": "x"}}),
    Bad("text named .mp3", 415, "unsupported_media", lambda: _file(b"this is no recording\n" * 500, "speech.mp3")),
    Bad("JPEG", 415, "unsupported_media", lambda: _file(CLOCK.read_bytes())),
    Bad("random bytes", 415, "unsupported_media", lambda: _file(random.Random(1).randbytes(200_000))),
    Bad("one byte", 415, "unsupported_media", lambda: _file(b"R")),
    Bad("header only", 422, "undecodable_audio", lambda: _file(GOOD[:44])),
    Bad("half a header", 422, "undecodable_audio", lambda: _file(GOOD[:30])),
    Bad("0 seconds", 422, "undecodable_audio", lambda: _file(_wav(b""))),
    Bad("film without sound", 422, "no_audio_stream", lambda: _file(silent_film())),
    Bad("5 hours", 413, "audio_too_long", lambda: _file(_wav(bytes([128]) * (2_000 * 5 * 3600), 2_000))),
    Bad("deadline passed", 504, "deadline_exceeded", lambda: _file(GOOD), headers={"X-Request-Timeout": "0.000001"}),
    Bad("bad deadline", 422, "invalid_parameter", lambda: _file(GOOD), headers={"X-Request-Timeout": "soon"}),
    Bad("unknown model", 404, "model_not_found", lambda: _file(GOOD), "?model=whisper-huge"),
    Bad("a model of another task", 404, "model_not_found", lambda: _file(GOOD), "?model=efficientnet-lite0"),
    Bad("unknown query field", 422, "invalid_parameter", lambda: _file(GOOD), "?lang=en"),
    Bad(
        "a field twice", 422, "invalid_parameter", lambda: _file(GOOD) | {"data": {"language": "en"}}, "?language=en"
    ),
    _field("unknown", "1"),
    _field("language", "xx"),
    _field("language", "en,,zh"),
    _field("task", "sing"),
    _field("response_format", "xml"),
    _field("response_format", "srt"),
    _field("timestamps", "word"),
    _field("timestamps", "often"),
    _field("hotwords", "Percept"),
    _field("stream", "true"),
    _field("stream", "perhaps"),
    _field("chinese_script", "cursive"),
    _field("numbers", "three"),
    _field("numbers", "digits"),
    _field("temperature", "1.5"),
    _field("temperature", "nan"),
    _field("beam_size", "0"),
    _field("beam_size", "6"),
    _field("beam_size", "9" * 5000),
    _field("prompt", "x" * 2001),
]


@pytest.fixture(scope="module", autouse=True)
def warm(service: Served) -> None:
    """Threads and memory that stay come with the first requests."""
    _assert_babble_is_read(service)


@pytest.fixture(autouse=True)
def nothing_is_left(service: Served) -> Iterator[None]:
    """As the name says, after each test."""
    with nothing_left(service, _assert_a_tone_is_heard):
        yield


def _assert_a_tone_is_heard(service: Served) -> None:
    """Decoded and searched for speech, which takes some milliseconds."""
    answer = httpx.post(service.url + ROUTE, **_file(TONE), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["text"], answer.json()["duration_s"]) == ("", pytest.approx(1.0, abs=0.01))


def _assert_babble_is_read(service: Served) -> None:
    fields = {"language": "en", "beam_size": "1", "temperature": "1"}  # one temperature: babble is never believed
    answer = httpx.post(service.url + ROUTE, **_file(GOOD), data=fields, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    assert answer.json()["duration_s"] == 2.0


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_gets_its_problem(service: Served, bad: Bad) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        assert_problem(client.post(ROUTE + bad.query, headers=bad.headers, **bad.request()), bad.status, bad.code)


@pytest.mark.parametrize("claimed", [0xFFFF_FFFF, 0x7FFF_FFFF, 0])
def test_a_header_that_lies_is_not_believed(service: Served, claimed: int) -> None:
    data = sound_file(RECIPES["wav 16 bit"], 1.0)
    at = data.index(b"data") + 4
    lying = data[:at] + claimed.to_bytes(4, "little") + data[at + 4 :]
    answer = httpx.post(service.url + ROUTE, **_file(lying), timeout=PATIENCE_S).raise_for_status().json()
    assert (answer["duration_s"], answer["text"]) == (pytest.approx(1.0, abs=0.01), "")


@pytest.mark.parametrize("kind", ["mp3", "mp4 table in front"])
def test_a_file_that_ends_early_is_read_up_to_there(service: Served, kind: str) -> None:
    whole = sound_file(RECIPES[kind], 4.0)
    answer = httpx.post(service.url + ROUTE, **_file(whole[: len(whole) * 6 // 10]), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    assert answer.json()["truncated"] is True
    assert 0.5 < answer.json()["duration_s"] < 3.5
    assert "truncated" not in httpx.post(service.url + ROUTE, **_file(whole), timeout=PATIENCE_S).json()


def test_a_declared_flood_is_refused_before_reading(service: Served) -> None:
    with connection(service) as wire:
        wire.sendall(head(ROUTE, "audio/wav", 3 << 30))
        status, body = read_answer(wire)
    assert (status, body["code"]) == (413, "payload_too_large")


def test_a_client_that_vanishes_mid_upload_leaves_nothing(service: Served) -> None:
    before = service.metric("percept_cancelled_total")
    with connection(service) as wire:
        wire.sendall(head(ROUTE, "audio/wav", 10 << 20) + bytes(5 << 20))  # more than stays in memory
        await_true(lambda: service.metric("percept_in_flight_requests") == 1)
    await_true(lambda: service.metric("percept_cancelled_total") == before + 1)


def test_clients_that_leave_stop_the_work(service: Served) -> None:
    """What they asked for would keep every lane for minutes; the next one is answered long before."""
    long = babble(600.0)
    before = service.metric("percept_cancelled_total")
    with ExitStack() as held:
        for _ in range(plan_speech(usable_processors(), None, None).lanes):
            wire = held.enter_context(connection(service))
            wire.sendall(head(f"{ROUTE}?language=en", "audio/wav", len(long)) + long)
        await_true(lambda: _is_working(service, 2))
    await_true(lambda: service.metric("percept_cancelled_total") == before + 2)
    _assert_babble_is_read(service)


def _is_working(service: Served, requests: int) -> bool:
    waiting, inside = service.metric("percept_queue_depth"), service.metric("percept_in_flight_requests")
    return waiting == 0 and inside == requests
