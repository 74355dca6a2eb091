"""POST /transcribe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from service.admission import Job
from service.api.deps import TIMEOUT_HEADER, InferenceKey, Parts, Services, body_of, timeout_s, unless_gone
from service.api.entrance import Entrance
from service.api.examples import RECORDINGS
from service.api.openapi import problems, upload_body
from service.api.parameters import Parameters
from service.api.schemas import AudioTiming, ModelUsed, SegmentAnswer, TranscribeAnswer
from service.api.spool import SpooledSink
from service.api.upload import read_upload
from service.errors import InvalidParameter
from service.speech.language import AUTO, languages_of
from service.speech.model import Options, Recording, SpeechModel, Task, Transcript
from service.speech.numerals import Numbers, numbers_of
from service.speech.text import ChineseScript

router = APIRouter()
_MEDIA = ("audio/", "video/", "application/ogg")
_MAX_BEAM_SIZE = 5
_MAX_TRACK = 999
_MAX_PROMPT_CHARACTERS = 2_000  # the model looks at the last 223 tokens of it
_FORMATS, _LATER_FORMATS = ("json", "text"), ("srt", "vtt")
_TIMESTAMPS = ("none", "segment")
_FIELDS = (
    "language", "task", "response_format", "timestamps", "prompt", "hotwords", "chinese_script", "numbers",
    "temperature", "beam_size", "track", "model", "stream",
)  # fmt: skip
_OPENAPI = upload_body(
    "audio/*",
    {
        "language": {
            "type": "string",
            "default": AUTO,
            "description": "a code (`zh`, `zho`), a tag (`zh-CN`) or a name (`Chinese`); `auto`; or a comma list "
            "within which it is detected (`en,zh`)",
        },
        "task": {"type": "string", "enum": list(get_args(Task)), "default": "transcribe"},
        "response_format": {"type": "string", "enum": list(_FORMATS), "default": "json"},
        "timestamps": {"type": "string", "enum": list(_TIMESTAMPS), "default": "segment"},
        "prompt": {
            "type": "string",
            "description": "text taken to stand before the recording: names, spelling, style",
        },
        "chinese_script": {"type": "string", "enum": list(get_args(ChineseScript)), "default": "simplified"},
        "numbers": {
            "type": "string",
            "enum": list(get_args(Numbers)),
            "default": "as-is",
            "description": "`words` writes no digit and no percent sign; `digits` needs `language` zh",
        },
        "temperature": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
        "beam_size": {"type": "integer", "minimum": 1, "maximum": _MAX_BEAM_SIZE, "description": "1 is greedy"},
        "track": {
            "type": "integer",
            "minimum": 1,
            "maximum": _MAX_TRACK,
            "description": "number of the sound track; without it the first with speech is read",
        },
        "model": {"type": "string", "description": "`name` or `name@version`, such as `whisper-base`"},
    },
)


@router.post(
    "/transcribe",
    summary="Write down what is said in a recording",
    dependencies=[InferenceKey],
    response_model=TranscribeAnswer,
    response_model_exclude_unset=True,
    openapi_extra=_OPENAPI,
    responses=problems(RECORDINGS),
)
async def transcribe(request: Request, services: Parts) -> TranscribeAnswer | Response:
    """Transcribe one recording: wav, flac, mp3, ogg/opus, m4a/aac, webm, and the sound of mp4 and mkv."""
    with ExitStack() as held:
        entrance = Entrance(held, request, services, SpeechModel, "speech-recognition")
        model = entrance.enter(request.query_params.get("model"))
        wanted = _Wanted(Parameters(_FIELDS, request.query_params.multi_items(), {}), model)
        sink = SpooledSink()
        spooled = held.enter_context(ExitStack())
        spooled.callback(sink.close)
        body = body_of(request, services, services.settings.max_audio_body_bytes, entrance.upload)
        form = await read_upload(request.headers, body, _MEDIA, sink, _FIELDS)
        if form:
            parameters = Parameters(_FIELDS, request.query_params.multi_items(), form)
            if "model" in form:
                model = entrance.enter(parameters.text("model"))
            wanted = _Wanted(parameters, model)
        entrance.settle()
        job = _submit(request, services, model, Recording(await sink.file(), wanted.options))
        # the lane may read the file for some time after nobody waits any more: it is closed when the lane is done
        spooled.pop_all()
        job.future.add_done_callback(lambda _: sink.close())
        transcript = await unless_gone(request.receive, model.engine.result(job))
    return _answer(request, services, model, transcript, wanted)


def _submit(
    request: Request, services: Services, model: SpeechModel, recording: Recording
) -> Job[Recording, Transcript]:
    """A deadline of the client's own holds from its request; ours begins with the work and grows with the audio."""
    settings = services.settings
    left_s = timeout_s(request, services, settings.default_timeout_s)
    patience_s = None if TIMEOUT_HEADER in request.headers else settings.max_timeout_s
    job = model.engine.submit(recording, left_s, patience_s)
    request.state.job = job
    return job


class _Wanted:
    """What the client wants; whatever the model or this version cannot do is refused in words."""

    def __init__(self, parameters: Parameters, model: SpeechModel) -> None:
        _refuse_what_comes_later(parameters)
        self.format = parameters.choice("response_format", "json", _FORMATS)
        self.has_segments = parameters.choice("timestamps", "segment", _TIMESTAMPS) == "segment"
        beam_size = parameters.integer("beam_size", 0, 1, _MAX_BEAM_SIZE)
        temperature = parameters.number("temperature", 0.0, 0.0, 1.0)
        if not model.is_generative and (beam_size > 1 or temperature > 0):
            raise InvalidParameter(
                f"`beam_size` and `temperature`: {model.manifest.name} reads each frame by itself; leave them out"
            )
        languages = languages_of(parameters.text("language") or AUTO, model.languages, model.manifest.name)
        task = _task(parameters, model)
        self.options = Options(
            languages=languages,
            task=task,
            prompt=_prompt(parameters.text("prompt") or "", model),
            temperature=temperature,
            beam_size=beam_size or None,
            script=_script(parameters),
            numbers=_numbers(parameters, languages, task, model),
            track=parameters.integer("track", 0, 1, _MAX_TRACK) or None,
            has_timestamps=self.has_segments,
        )


def _refuse_what_comes_later(parameters: Parameters) -> None:
    if parameters.text("response_format") in _LATER_FORMATS:
        raise InvalidParameter("subtitles are not written yet: `response_format` is json or text")
    if parameters.text("timestamps") == "word":
        raise InvalidParameter("times of words are not there yet: `timestamps` is none or segment")
    if parameters.text("hotwords"):
        raise InvalidParameter("`hotwords` are not there yet; name such words in `prompt`")
    if parameters.choice("stream", "false", ("true", "false")) == "true":
        raise InvalidParameter("answers are not streamed yet: leave `stream` out, or send false")


def _task(parameters: Parameters, model: SpeechModel) -> Task:
    for task in model.tasks:
        if parameters.choice("task", "transcribe", get_args(Task)) == task:
            return task
    raise InvalidParameter(f"`task`: {model.manifest.name} does not translate; leave it out")


def _prompt(text: str, model: SpeechModel) -> str:
    if text and not model.is_generative:
        raise InvalidParameter(f"`prompt`: {model.manifest.name} takes none; leave it out")
    if len(text) > _MAX_PROMPT_CHARACTERS:
        raise InvalidParameter(f"`prompt` must be no longer than {_MAX_PROMPT_CHARACTERS} characters")
    return text


def _script(parameters: Parameters) -> ChineseScript:
    scripts: tuple[ChineseScript, ...] = get_args(ChineseScript)
    chosen = parameters.choice("chinese_script", "simplified", scripts)
    return next(script for script in scripts if script == chosen)


def _numbers(parameters: Parameters, languages: Sequence[str], task: Task, model: SpeechModel) -> Numbers:
    numbers = numbers_of(parameters.text("numbers") or "", languages, task)
    if numbers != "as-is" and not model.is_generative:
        raise InvalidParameter(f"`numbers`: {model.manifest.name} writes them as it learnt to; leave it out")
    return numbers


def _answer(
    request: Request, services: Services, model: SpeechModel, got: Transcript, wanted: _Wanted
) -> TranscribeAnswer | Response:
    name, queue_s = model.manifest.name, request.state.job.queue_s
    services.telemetry.observe(name, queue_s, got.decode_s, got.inference_s, 1)
    services.telemetry.audio_seconds.labels(name).inc(got.duration_s)
    stages = {"queue": queue_s * 1000, "decode": got.decode_s * 1000, "inference": got.inference_s * 1000}
    request.state.timing_ms = stages
    if wanted.format == "text":
        return PlainTextResponse(f"{got.text}\n")
    work_s = got.decode_s + got.inference_s
    answer = TranscribeAnswer(
        model=ModelUsed.of(model),
        task=wanted.options.task,
        language=got.language,
        language_probability=round(got.language_probability, 4),
        duration_s=round(got.duration_s, 3),
        text=got.text,
        timing=AudioTiming(
            **{f"{stage}_ms": round(duration, 3) for stage, duration in stages.items()},
            total_ms=round((services.clock() - request.state.begun_at) * 1000, 3),
            realtime_factor=round(work_s / got.duration_s, 4),
        ),
    )
    more: dict[str, Any] = {}
    if wanted.has_segments:
        more["segments"] = [SegmentAnswer.of(*each) for each in enumerate(got.segments)]
    if got.truncated:
        more["truncated"] = True
    if got.tracks > 1:
        more["tracks"] = got.tracks
    return answer.model_copy(update=more)
