"""Lines of the log."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from service.logs import JsonFormatter, TextFormatter


def _record(**extra: object) -> logging.LogRecord:
    record = logging.LogRecord("percept", logging.INFO, "x.py", 1, "你好 %s", ("world",), None)
    record.__dict__.update(extra)
    return record


def test_json_is_one_object_a_line_and_keeps_chinese() -> None:
    line = JsonFormatter().format(_record(fields={"status": 200}))
    assert "你好 world" in line
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "", "level": "info", "logger": "percept", "message": "你好 world", "status": 200,
    }  # fmt: skip


def test_json_keeps_what_it_cannot_write_and_the_exception() -> None:
    error = ValueError("why")
    record = _record(fields={"odd": object()}, exc_info=(type(error), error, None))
    line = json.loads(JsonFormatter().format(record))
    assert line["odd"].startswith("<object")
    assert line["exception"].endswith("ValueError: why")


@pytest.mark.parametrize(("fields", "end"), [({}, "INFO 你好 world"), ({"a": 1, "b": "x"}, "你好 world a=1 b=x")])
def test_text_ends_with_the_fields(fields: dict[str, object], end: str) -> None:
    assert TextFormatter().format(_record(fields=fields)).endswith(end)


def _logged(log_format: str, level: str) -> list[str]:
    """What a process writes that logs one line of its own and one of the multipart parser."""
    script = (
        "import logging, sys; from service.logs import configure; configure(*sys.argv[1:]);"
        "logging.getLogger('python_multipart').warning('secret header');"
        "logging.getLogger('percept').info('hello')"
    )
    command = [sys.executable, "-c", script, log_format, level]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr.splitlines()


def test_the_process_logs_as_it_was_told() -> None:
    (text,) = _logged("text", "info")
    assert text.endswith("INFO hello")
    (line,) = _logged("json", "info")
    assert json.loads(line)["message"] == "hello"
    assert _logged("text", "warning") == []
