"""`python -m service.offline`: transcribe recordings without a server, one JSON object a line in and out.

Each line of standard input names a file and what is wanted: `{"path": …, "language": "zh", "prompt": …,
"beam_size": …, "numbers": …, "track": …}`; each line of standard output is the answer, `{"text", "language",
"duration_s", "segments"}`, or `{"code", "detail"}` where there is none. Settings are the service's own
(`PERCEPT_ARTIFACTS`, `PERCEPT_MODELS`, `PERCEPT_VARIANT`); the first speech model of `PERCEPT_MODELS` is used.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from models.store import Store
from service.errors import ArtifactRefused, InvalidParameter, PerceptError, StartupError
from service.loader import Loader
from service.onnx_runner import place
from service.settings import read_settings
from service.speech.language import AUTO, languages_of
from service.speech.model import Options, Recording, SpeechModel, Transcribes, Transcript
from service.speech.numerals import numbers_of

_CONFIGURATION_ERROR = 2
_FIELDS = {"path", "language", "prompt", "beam_size", "numbers", "track"}


def main() -> int:
    """Answer every line; 2 where the configuration is wrong."""
    try:
        model = _model()
    except StartupError as error:
        print(f"percept: {error.detail}", file=sys.stderr)
        return _CONFIGURATION_ERROR
    for answer in answers(model.transcriber, model.languages, sys.stdin):
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    return 0


def _model() -> SpeechModel:
    settings = read_settings()
    loader = Loader(Store(settings.artifacts), settings, place("cpu"), time.perf_counter)
    for reference in settings.models:
        model = loader.load(reference)
        if isinstance(model, SpeechModel):
            return model
    raise ArtifactRefused(f"no speech model among {', '.join(settings.models)}; name one in PERCEPT_MODELS")


def answers(transcriber: Transcribes, languages: Sequence[str], lines: IO[str]) -> Iterator[dict[str, Any]]:
    """The answer to each line, in order; a recording that fails does not end the others.

    `languages` are the codes of those that the transcriber knows.
    """
    for line in lines:
        try:
            yield _shown(_transcribe(transcriber, languages, json.loads(line)))
        except PerceptError as error:
            yield {"code": error.code, "detail": error.detail}
        except (OSError, ValueError, KeyError) as error:
            yield {"code": "malformed_request", "detail": f"the line cannot be followed: {error}"}


def _transcribe(transcriber: Transcribes, languages: Sequence[str], asked: Mapping[str, str]) -> Transcript:
    if unknown := set(asked) - _FIELDS:
        raise InvalidParameter(f"there is no field {sorted(unknown)[0]}; known are {', '.join(sorted(_FIELDS))}")
    spoken = languages_of(asked.get("language") or AUTO, languages, "the model")
    options = Options(
        languages=spoken,
        prompt=asked.get("prompt", ""),
        beam_size=int(asked["beam_size"]) if "beam_size" in asked else None,
        track=int(asked["track"]) if "track" in asked else None,
        numbers=numbers_of(asked.get("numbers", ""), spoken),
    )
    with Path(asked["path"]).open("rb") as file:
        return transcriber.transcribe(Recording(file, options))


def _shown(transcript: Transcript) -> dict[str, Any]:
    segments = [{"start": each.start_s, "end": each.end_s, "text": each.text} for each in transcript.segments]
    return {
        "text": transcript.text,
        "language": transcript.language,
        "duration_s": transcript.duration_s,
        "segments": segments,
    }


if __name__ == "__main__":
    sys.exit(main())
