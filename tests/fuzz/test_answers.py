"""A fault in an answer is seen, and a good one has none."""

from __future__ import annotations

import json

import pytest

from service.api.problems import document
from tests.fuzz.answers import Answer, fault, parsed

HEADERS = {"x-request-id": "i", "content-type": "application/problem+json", "retry-after": "1"}


def _problem(code: str, status: int, request_id: str = "i", **headers: str) -> Answer:
    body = json.dumps({**document(code, "x", request_id), "status": status}).encode()
    return Answer(status, {**HEADERS, **headers}, body)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, HEADERS, b"{}"),
        _problem("queue_full", 429),
        _problem("not_ready", 503),
        _problem("not_found", 404),
    ],
)
def test_a_good_answer_has_no_fault(answer: Answer) -> None:
    assert fault(answer) == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_problem("internal_error", 500), "500"),
        (Answer(502, HEADERS, b""), "502"),
        (Answer(200, {}, b"{}"), "without an id"),
        (Answer(400, {"x-request-id": "i", "content-type": "text/plain"}, b"no"), "no problem document"),
        (_problem("not_found", 404, "other"), "two ids"),
        (Answer(404, HEADERS, json.dumps(document("not_found", "x", "i") | {"status": 400}).encode()), "404 as"),
        (
            Answer(429, {k: v for k, v in HEADERS.items() if k != "retry-after"}, _problem("queue_full", 429).body),
            "Retry",
        ),
    ],
)
def test_a_fault_is_named(answer: Answer, words: str) -> None:
    assert words in fault(answer)


def test_answers_on_a_connection_are_told_apart() -> None:
    received = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\ncut"
    )
    assert list(parsed(received)) == [Answer(200, {"content-length": "2"}, b"{}")]
    with pytest.raises(ValueError, match="no answer begins with"):
        list(parsed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc\r\n\r\n"))
