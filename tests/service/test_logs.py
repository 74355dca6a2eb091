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


_STRANGE = """
import logging, sys, threading, warnings
from service.logs import Libraries, configure
libraries = Libraries()
configure("json", sys.argv[1], libraries)
warnings.warn("a warning", RuntimeWarning)
logging.getLogger("PIL.TiffImagePlugin").error("an odd tag: %s", "x\\ny")
logging.getLogger("some.library").warning("words")
libraries.hear("tempfile.tif: Using code not yet in table.")
libraries.hear("2026-11-27 [W:onnxruntime:Default, device_discovery.cc:164] no devices")
libraries.hear("[mp3float @ 0x55d0c8] Header missing")
libraries.hear("whatever")
logging.getLogger("percept").info("\\ud800 is no letter")

class Broken:
    def __del__(self):
        raise ValueError("in a destructor")

Broken()
thread = threading.Thread(target=lambda: 1 / 0, name="lane-1")
thread.start()
thread.join()
print(dict(libraries.counts))
raise KeyError("the end")
"""


@pytest.mark.parametrize("level", ["info", "debug"])
def test_every_line_is_our_object_and_libraries_speak_at_debug(level: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STRANGE, level], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert eval(done.stdout) == {  # noqa: S307 - a table of numbers that the script above printed
        "libav": 1, "libtiff": 1, "onnxruntime": 1, "pillow": 1, "python": 1, "other": 2,
    }  # fmt: skip
    ours = [line for line in lines if line["level"] != "debug"]
    assert [(line["level"], line.get("exception", "").splitlines()[-1:]) for line in ours] == [
        ("info", []),
        ("error", ["ValueError: in a destructor"]),
        ("error", ["ZeroDivisionError: division by zero"]),
        ("critical", ["KeyError: 'the end'"]),
    ]
    assert "lane-1" in ours[2]["message"]
    assert len(lines) - len(ours) == (7 if level == "debug" else 0)
