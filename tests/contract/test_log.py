"""With PERCEPT_LOG_FORMAT=json every line on standard error is one object of ours, whatever libraries say."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.artifacts import picture, publish
from tests.served import ROOT, SERVE, served

QUIET = ("sh", "-c", f"exec {sys.executable} -m service > /dev/null")  # the greeting goes to standard output
pytestmark = pytest.mark.xdist_group("log")


def _damaged(compression: str) -> bytes:
    """A TIFF over whose strips libtiff complains."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("1" if compression == "group4" else "RGB").save(
        buffer, "TIFF", compression=compression
    )
    data = bytearray(buffer.getvalue())
    for place in range(200, min(len(data), 3000), 97):
        data[place] ^= 0x55
    return bytes(data)


@pytest.mark.parametrize("level", ["info", "debug"])
def test_every_line_is_an_object_and_libraries_are_counted(tmp_path: Path, level: str) -> None:
    publish(tmp_path, "brightness")
    with (tmp_path / "log").open("w+") as log:
        with (
            served(
                QUIET,
                kept_log=log,
                artifacts=str(tmp_path),
                models="brightness",
                log_format="json",
                log_level=level,
            ) as service,
            httpx.Client(base_url=service.url) as http,
        ):
            for file in (*map(_damaged, ("tiff_lzw", "tiff_adobe_deflate", "group4")), b"\x00\xff", picture(200)):
                http.post("/classify-image", files={"file": file})
            counted = service.metric("percept_library_messages_total")
        lines = [json.loads(line) for line in log]
    assert counted > 0
    said = [line for line in lines if "library" in line]
    assert {line["level"] for line in said} <= {"debug"}
    if level == "debug":
        assert "libtiff" in {line["library"] for line in said}
    else:
        assert said == []
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


@pytest.mark.parametrize("name", ["PORT", "LOG_LEVEL", "API_KEYS", "PROVIDERS"])
def test_a_wrong_configuration_is_one_object_too(name: str) -> None:
    environment = {**os.environ, "PERCEPT_LOG_FORMAT": "json", f"PERCEPT_{name}": "wrong"}
    done = subprocess.run(SERVE, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["level"], line["message"].split(":")[0]) == ("critical", f"PERCEPT_{name}")
