"""A published artifact and a running service are asked alike, and their refusals come in one sentence."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from tests.served import free_port
from tests.voices import babble
from training.transcribers import Server, TranscriptionError, Wishes, offline


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(babble(1.0))
    return tmp_path / "a.wav"


def test_wishes_are_the_fields_of_the_route() -> None:
    wishes = Wishes({"zh": "以下是"}, beam_size=2)
    assert wishes.fields("zh") == {"language": "zh", "prompt": "以下是", "beam_size": "2"}
    assert wishes.fields("en") == {"language": "en", "beam_size": "2"}
    assert Wishes(numbers={"zh": "words"}).fields("zh") == {"language": "zh", "numbers": "words"}
    assert Wishes(numbers={"zh": "words"}).fields("en") == {"language": "en"}
    assert Wishes(is_detected=True).fields("en") == {}


@pytest.mark.xdist_group("small-whisper")
def test_an_artifact_is_asked_without_a_server(speech_store: Path, recording: Path) -> None:
    with offline(speech_store, "whisper-small-test", "fp32", Wishes(beam_size=1)) as transcribe:
        assert isinstance(transcribe(recording, "en"), str)
        with pytest.raises(TranscriptionError, match=r"a\.wav: `?.*no file|a\.wav"):
            recording.unlink()
            transcribe(recording, "en")


def test_an_artifact_that_is_refused_is_an_error_in_words(tmp_path: Path, recording: Path) -> None:
    with (
        pytest.raises(TranscriptionError, match="could not be started"),
        offline(tmp_path, "nothing", "auto", Wishes()) as transcribe,
    ):
        transcribe(recording, "en")


class _Route(BaseHTTPRequestHandler):
    """Answers with what it was asked; a prompt is refused."""

    def do_POST(self) -> None:
        asked = parse_qs(urlparse(self.path).query)
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        status, answer = 200, {"text": f"{asked['language'][0]} {len(body)}"}
        if "prompt" in asked:
            status, answer = 422, {"detail": "takes none"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Route)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_is_asked_over_http(url: str, recording: Path) -> None:
    assert Server(url, Wishes()).transcribe(recording, "zh") == f"zh {recording.stat().st_size}"
    with pytest.raises(TranscriptionError, match=r"a\.wav: takes none"):
        Server(url, Wishes({"zh": "x"})).transcribe(recording, "zh")


def test_where_no_service_is_that_is_said(recording: Path) -> None:
    with pytest.raises(TranscriptionError, match="no service answers"):
        Server(f"http://127.0.0.1:{free_port()}", Wishes()).transcribe(recording, "en")
