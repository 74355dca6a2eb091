"""POST /transcribe over a small Whisper: shapes, fields, bodies; what it writes is babble."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from service.speech.numerals import writes_number
from tests.media import RECIPES, film_with_tracks, sound_file, tone
from tests.voices import babble

pytestmark = pytest.mark.xdist_group("small-whisper")
NAME = "whisper-small-test"
SPEECH, TONE = babble(1.5), sound_file(RECIPES["wav 16 bit"], 1.0)
FAST = {"language": "en", "beam_size": "1", "temperature": "1"}


@pytest.fixture(scope="module")
def app(speech_store: Path) -> Iterator[FastAPI]:
    made = create_app(Settings(artifacts=speech_store, models=(NAME,), max_timeout_s=60.0))
    made.state.services.registry.load_all()
    yield made
    made.state.services.registry.stop(10.0)


def ask(app: FastAPI, **request: Any) -> httpx.Response:
    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://percept") as client:
            return await client.post("/transcribe", **request)

    return asyncio.run(post())


def test_an_answer_is_what_was_promised(app: FastAPI) -> None:
    answer = ask(app, files={"file": SPEECH}, data=FAST, headers={"X-Request-ID": "call-1"})
    body = answer.json()
    assert answer.status_code == 200
    assert body.keys() == {
        "model", "task", "language", "language_probability", "duration_s", "text", "segments", "timing",
    }  # fmt: skip
    assert body["model"] == {"name": NAME, "version": "1", "variant": "int8"}
    assert (body["task"], body["language"], body["language_probability"]) == ("transcribe", "en", 1.0)
    assert body["duration_s"] == 1.5
    assert body["timing"].keys() == {"queue_ms", "decode_ms", "inference_ms", "total_ms", "realtime_factor"}
    assert answer.headers["x-request-id"] == "call-1"
    assert [part.partition(";")[0] for part in answer.headers["server-timing"].split(", ")] == [
        "queue", "decode", "inference", "total",
    ]  # fmt: skip
    for number, segment in enumerate(body["segments"]):
        assert segment.keys() == {
            "id", "start", "end", "text", "avg_logprob", "no_speech_prob", "compression_ratio", "temperature",
        }  # fmt: skip
        assert segment["id"] == number
        assert 0 <= segment["start"] <= segment["end"] <= 1.5
        assert segment["temperature"] == 1.0


def test_a_tone_has_no_words(app: FastAPI) -> None:
    body = ask(app, files={"file": TONE}).json()
    assert (body["text"], body["segments"]) == ("", [])
    assert "truncated" not in body


@pytest.mark.parametrize("kind", ["audio/wav", "video/mp4", "application/ogg", "AUDIO/x-whatever; codecs=none"])
def test_the_body_may_be_the_file_and_its_type_is_not_believed(app: FastAPI, kind: str) -> None:
    answer = ask(app, content=TONE, headers={"Content-Type": kind})
    assert answer.json()["duration_s"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("kind", ["image/png", "text/plain", "application/json"])
def test_a_body_of_another_kind_is_415(app: FastAPI, kind: str) -> None:
    assert ask(app, content=TONE, headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("place", ["params", "data"])
def test_fields_come_from_the_query_or_the_form(app: FastAPI, place: str) -> None:
    plain = ask(app, files={"file": TONE}, **{place: {"response_format": "text"}})
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain.text == "\n"
    body = ask(app, files={"file": TONE}, **{place: {"timestamps": "none", "task": "translate"}}).json()
    assert "segments" not in body
    assert body["task"] == "translate"


@pytest.mark.parametrize("place", ["params", "data"])
def test_empty_fields_mean_their_defaults(app: FastAPI, place: str) -> None:
    names = (
        "language", "task", "response_format", "timestamps", "prompt", "hotwords", "chinese_script", "numbers",
        "temperature", "beam_size", "model", "stream",
    )  # fmt: skip
    empty = ask(app, files={"file": TONE}, **{place: dict.fromkeys(names, "")})
    assert empty.status_code == 200, empty.text
    plain = ask(app, files={"file": TONE}).json()
    assert empty.json() | {"timing": 0} == plain | {"timing": 0}


@pytest.mark.parametrize("place", ["params", "data"])
@pytest.mark.parametrize("language", ["zh-CN", "Chinese", "zho", "中文"])
def test_a_language_may_be_called_by_its_names(app: FastAPI, place: str, language: str) -> None:
    answer = ask(app, files={"file": SPEECH}, **{place: {**FAST, "language": language}})
    assert answer.json()["language"] == "zh"


@pytest.mark.parametrize("place", ["params", "data"])
def test_a_model_may_be_named(app: FastAPI, place: str) -> None:
    assert ask(app, files={"file": TONE}, **{place: {"model": f"{NAME}@1"}}).status_code == 200
    answer = ask(app, files={"file": TONE}, **{place: {"model": f"{NAME}@2"}})
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("language", "tlh", "codes such as en, zh, ja"),
        ("response_format", "vtt", "not written yet"),
        ("timestamps", "word", "not there yet"),
        ("hotwords", "a", "not there yet"),
        ("stream", "true", "not streamed yet"),
        ("beam_size", "6", "from 1 to 5"),
        ("numbers", "roman", "one of as-is, digits, words"),
        ("numbers", "digits", "in Chinese alone; send `language` zh"),
    ],
)
def test_what_cannot_be_had_is_said_in_words(app: FastAPI, field: str, value: str, words: str) -> None:
    for place in ("params", "data"):
        answer = ask(app, files={"file": TONE}, **{place: {field: value}})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
        assert words in answer.json()["detail"]


def test_numbers_are_written_as_asked(app: FastAPI) -> None:
    for fields in ({"numbers": "words"}, {"numbers": "digits", "language": "zh"}, {"numbers": "as-is"}):
        answer = ask(app, files={"file": SPEECH}, data={**FAST, **fields})
        assert answer.status_code == 200, answer.text
        assert fields["numbers"] != "words" or not writes_number(answer.json()["text"])
    mixed = ask(app, files={"file": TONE}, data={"numbers": "digits", "language": "en,zh"})
    english = ask(app, files={"file": TONE}, data={"numbers": "digits", "language": "zh", "task": "translate"})
    assert (mixed.status_code, english.status_code) == (422, 422)


def test_what_later_versions_do_may_be_declined(app: FastAPI) -> None:
    assert ask(app, files={"file": TONE}, data={"stream": "false", "hotwords": ""}).status_code == 200


def test_a_deadline_of_the_clients_own_is_kept(app: FastAPI) -> None:
    answer = ask(app, files={"file": babble(30.0)}, headers={"X-Request-Timeout": "0.05"})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


def test_seconds_of_audio_are_counted_and_nothing_stays_inside(app: FastAPI) -> None:
    def heard_s() -> float:
        samples = app.state.services.telemetry.audio_seconds.labels(NAME).collect()[0].samples
        return float(next(each.value for each in samples if each.name.endswith("_total")))

    before = heard_s()
    ask(app, files={"file": TONE})
    ask(app, files={"file": b"no media"})
    assert heard_s() - before == pytest.approx(1.0, abs=0.01)
    (model,) = app.state.services.registry.ready()
    assert (model.engine.in_flight, model.engine.queue_depth) == (0, 0)


@pytest.mark.parametrize("place", ["params", "data"])
def test_a_track_may_be_asked_for_and_several_are_counted(app: FastAPI, place: str) -> None:
    film = film_with_tracks("mp4", [tone(1.0, 16_000), tone(2.0, 16_000)], ["aac", "aac"])
    for track, seconds in (("", 1.0), ("1", 1.0), ("2", 2.0)):
        body = ask(app, files={"file": film}, **{place: {"track": track}}).json()
        assert body["tracks"] == 2
        assert body["duration_s"] == pytest.approx(seconds, abs=0.2)
    assert "tracks" not in ask(app, files={"file": TONE}, **{place: {"track": "1"}}).json()
    for track, words in (("3", "the file has 2"), ("0", "from 1"), ("x", "from 1")):
        refused = ask(app, files={"file": film}, **{place: {"track": track}})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
        assert words in refused.json()["detail"]
