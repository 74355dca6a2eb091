"""The table of problems is complete, and says what clients were promised."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from service.api.problems import KINDS, for_error
from service.errors import PerceptError, QueueFull, StartupError, UndecodableImage

PROMISED = {
    400: {"malformed_request"},
    401: {"unauthorized"},
    403: {"forbidden"},
    404: {"model_not_found", "not_found"},
    405: {"method_not_allowed"},
    408: {"request_timeout"},
    413: {"payload_too_large", "image_too_large", "audio_too_long"},
    415: {"unsupported_media"},
    422: {"invalid_parameter", "undecodable_image", "undecodable_audio", "no_audio_stream"},
    429: {"queue_full", "rate_limited"},
    499: {"client_gone"},
    500: {"internal_error"},
    503: {"not_ready", "draining"},
    504: {"deadline_exceeded"},
}


def _tree(root: type[PerceptError]) -> Iterator[type[PerceptError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def test_the_table_is_what_was_promised() -> None:
    assert {
        status: {code for code, kind in KINDS.items() if kind.status == status} for status in PROMISED
    } == PROMISED
    assert {kind.status for kind in KINDS.values()} == PROMISED.keys()


@pytest.mark.parametrize("error", list(_tree(PerceptError)), ids=lambda error: error.__name__)
def test_every_error_has_a_row(error: type[PerceptError]) -> None:
    assert error.code in KINDS
    assert error.__doc__


def test_leaves_of_the_tree_have_codes_of_their_own() -> None:
    leaves = [
        error for error in _tree(PerceptError) if not error.__subclasses__() and not issubclass(error, StartupError)
    ]
    codes = [error.code for error in leaves]
    assert len(set(codes)) == len(codes)


def test_overload_says_when_to_come_back() -> None:
    assert for_error(QueueFull("full", 2.1), "id").headers["retry-after"] == "3"


def test_chinese_is_not_escaped() -> None:
    body = bytes(for_error(UndecodableImage("图片损坏"), "id").body)
    assert "图片损坏" in body.decode("utf-8")
    assert json.loads(body)["status"] == 422
