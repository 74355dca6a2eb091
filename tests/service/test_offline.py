"""Recordings without a server: a line in, a line out, and no line ends the others."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.offline import answers
from tests.served import ROOT
from tests.service.speech.test_transcribe import Listening, transcriber, wav
from tests.service.speech.test_whisper import SURE
from tests.voices import babble


def asked(*lines: str) -> list[dict[str, Any]]:
    typed = io.StringIO("".join(f"{line}\n" for line in lines))
    return list(answers(transcriber(Listening(SURE)), ("en", "ja", "zh"), typed))


@pytest.fixture
def recording(tmp_path: Path) -> str:
    (tmp_path / "a.wav").write_bytes(wav((0.5, 2.0)).getvalue())
    return str(tmp_path / "a.wav")


def test_each_line_is_answered_in_order(recording: str, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"no media")
    lines = [
        json.dumps({"path": recording, "language": "en,zh", "prompt": "yo", "beam_size": "2"}),
        json.dumps({"path": str(tmp_path / "b.wav")}),
        json.dumps({"path": str(tmp_path / "missing.wav")}),
        "no JSON",
        json.dumps({"language": "en"}),
        json.dumps({"path": recording, "lang": "en"}),
        json.dumps({"path": recording}),
    ]
    got = asked(*lines)
    assert [each.get("code", each.get("text")) for each in got] == [
        "hi", "unsupported_media", "malformed_request", "malformed_request", "malformed_request",
        "invalid_parameter", "hi",
    ]  # fmt: skip
    assert got[0].keys() == {"text", "language", "duration_s", "segments"}
    assert got[0]["segments"][0].keys() == {"start", "end", "text"}


@pytest.mark.parametrize("language", ["Chinese", "zh-CN", "cmn", "中文", "zh, zh_TW"])
def test_a_language_is_named_as_over_http(recording: str, language: str) -> None:
    (got,) = asked(json.dumps({"path": recording, "language": language}))
    assert got["language"] == "zh"


def test_numbers_are_written_as_over_http(recording: str) -> None:
    (words,) = asked(json.dumps({"path": recording, "language": "zh", "numbers": "words"}))
    (digits,) = asked(json.dumps({"path": recording, "numbers": "digits"}))
    assert words["text"] == "hi"
    assert (digits["code"], "Chinese alone" in digits["detail"]) == ("invalid_parameter", True)


def test_an_unknown_language_is_refused_in_words(recording: str) -> None:
    (got,) = asked(json.dumps({"path": recording, "language": "en,Klingon"}))
    assert got["code"] == "invalid_parameter"
    assert "does not know Klingon; send `auto` or codes such as en, ja, zh" in got["detail"]


@pytest.mark.xdist_group("small-whisper")
def test_the_process_answers_and_refuses(speech_store: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(babble(1.0))
    settings = {"PERCEPT_ARTIFACTS": str(speech_store), "PERCEPT_MODELS": "whisper-small-test"}
    line = json.dumps({"path": str(tmp_path / "a.wav"), "language": "en"})

    def run(**changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service.offline"], input=line + "\n", text=True, capture_output=True,
            cwd=ROOT, env={**os.environ, **settings, **changes}, timeout=120, check=False,
        )  # fmt: skip

    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["duration_s"] == pytest.approx(1.0)
    refused = run(PERCEPT_MODELS="nothing")
    assert refused.returncode == 2
    assert refused.stderr.startswith("percept: there is no artifact nothing in the store")
    assert refused.stdout == ""
