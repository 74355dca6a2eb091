"""Ways to have a recording transcribed, each of them a function from an audio file and its language to text.

The recogniser itself belongs to the service, and the two halves do not import each other. So a published artifact is
asked through `python -m service.offline`, a process that reads requests line by line, or a running server through
HTTP: what is measured is what is served.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from training.errors import TrainingError
from training.evaluate_speech import Transcribe

_TIMEOUT_S = 600
_UNREADABLE = frozenset({"malformed_request", "unsupported_media", "undecodable_audio", "no_audio_stream"})


class TranscriptionError(TrainingError):
    """A recording could not be transcribed, or the recogniser could not be started."""


class UnreadableRecordingError(TranscriptionError):
    """This recording is none, or nothing of it can be decoded; others may be."""


@dataclass(frozen=True)
class Wishes:
    """What is asked for with every recording; prompts, and how numbers are written, are by language."""

    prompts: Mapping[str, str] | None = None
    beam_size: int | None = None
    numbers: Mapping[str, str] | None = None
    is_detected: bool = False
    """Let the model find the language, in place of telling it."""

    def fields(self, language: str) -> dict[str, str]:
        """As `/transcribe` takes them; without a language it is detected."""
        fields = {"language": language} if language and not self.is_detected else {}
        if prompt := (self.prompts or {}).get(language):
            fields["prompt"] = prompt
        if numbers := (self.numbers or {}).get(language):
            fields["numbers"] = numbers
        return fields | ({"beam_size": str(self.beam_size)} if self.beam_size else {})


@contextmanager
def offline(artifacts: Path, model: str, variant: str, wishes: Wishes) -> Iterator[Transcribe]:
    """A published artifact, without a server.

    Raises:
        TranscriptionError: the service is not installed here, or refuses the artifact.
    """
    given = {"PERCEPT_ARTIFACTS": str(artifacts), "PERCEPT_MODELS": model, "PERCEPT_VARIANT": variant}
    command = [sys.executable, "-m", "service.offline"]
    environment = {**os.environ, **given, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin is not None  # noqa: S101 - both were asked for as pipes
        assert process.stdout is not None  # noqa: S101
        asked, answers = process.stdin, process.stdout

        def transcribe(path: Path, language: str) -> str:
            return _ask(asked, answers, {"path": str(path), **wishes.fields(language)})

        yield transcribe
        asked.close()


def _ask(asked: IO[str], answers: IO[str], request: Mapping[str, str]) -> str:
    try:
        asked.write(json.dumps(request) + "\n")
        asked.flush()
    except BrokenPipeError as error:
        raise TranscriptionError("the recogniser could not be started; its own words are above") from error
    line = answers.readline()
    if not line:
        raise TranscriptionError("the recogniser could not be started; its own words are above")
    answer = json.loads(line)
    if "detail" in answer:
        raise _refusal(Path(request["path"]), answer)
    return str(answer["text"])


def _refusal(path: Path, problem: Mapping[str, str]) -> TranscriptionError:
    kind = UnreadableRecordingError if problem.get("code") in _UNREADABLE else TranscriptionError
    return kind(f"{path.name}: {problem['detail']}")


@dataclass(frozen=True)
class Server:
    """A running service."""

    url: str
    wishes: Wishes
    model: str = ""

    def transcribe(self, path: Path, language: str) -> str:
        """Ask `POST /transcribe`.

        Raises:
            TranscriptionError: no answer, or a problem.
        """
        fields = self.wishes.fields(language) | ({"model": self.model} if self.model else {})
        request = urllib.request.Request(  # noqa: S310 - the user's own URL
            f"{self.url.rstrip('/')}/transcribe?{urlencode(fields)}",
            data=path.read_bytes(),
            headers={"Content-Type": "audio/*", "X-Request-ID": uuid.uuid4().hex},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the user's own URL
                return str(json.load(answer)["text"])
        except HTTPError as error:
            raise _refusal(path, {"detail": error.reason, **json.load(error)}) from error
        except (URLError, OSError) as error:
            raise TranscriptionError(f"no service answers at {self.url}: {error}") from error
