"""What must be true of every answer, read off the bytes of a connection or off an HTTP client's response."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

_OURS = {"type", "title", "status", "detail", "code", "request_id"}
_LATER = {503, 504}  # the only ones above 499 that are no bug


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


def fault(answer: Answer) -> str:
    """What is wrong with it; empty where nothing is."""
    status = answer.status
    if status >= 500 and status not in _LATER:
        return f"{status}: {answer.body[:300]!r}"
    if not answer.headers.get("x-request-id"):
        return f"{status} without an id"
    return _fault_of_problem(answer) if status >= 400 else ""


def _fault_of_problem(answer: Answer) -> str:
    if answer.headers.get("content-type") != "application/problem+json":
        return f"{answer.status} is no problem document: {answer.body[:300]!r}"
    problem = json.loads(answer.body)
    if problem.keys() < _OURS or problem["status"] != answer.status:
        return f"{answer.status} as {problem}"
    if problem["request_id"] != answer.headers["x-request-id"]:
        return f"{answer.status} of two ids"
    return (
        f"{answer.status} without Retry-After" if answer.status == 429 and "retry-after" not in answer.headers else ""
    )


def parsed(received: bytes) -> Iterator[Answer]:
    """The whole answers that a connection received, interim ones (1xx) left out.

    Raises:
        ValueError: it is no HTTP.
    """
    while b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, status = first[:12].partition(" ")
        if version != "HTTP/1.1" or not status.isdecimal():
            raise ValueError(f"no answer begins with {first[:80]!r}")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        if int(status) >= 200 and len(rest) >= length:
            yield Answer(int(status), headers, rest[:length])
        received = rest[length:]
