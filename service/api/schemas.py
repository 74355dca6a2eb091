"""The shapes of answers, as clients may rely on them and as OpenAPI shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.roster import Entry, ServedModel
from service.speech.model import Segment


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class ModelUsed(Answer):
    """Which model answered."""

    name: str
    version: str
    variant: str

    @classmethod
    def of(cls, model: ServedModel) -> ModelUsed:
        """From the loaded model."""
        return cls(name=model.manifest.name, version=model.manifest.version, variant=model.variant)


class PredictionAnswer(Answer):
    """One class; `group` is the everyday word, null where there is none."""

    class_id: int
    label: str
    group: str | None
    score: float


class GroupAnswer(Answer):
    """The sum of the scores of all classes of one everyday word.

    `confident` is false where the word should not be believed, by a limit of its own; it is absent while the model
    has none.
    """

    group: str
    score: float
    confident: bool | None = None


class PictureAnswer(Answer):
    """The picture as a viewer sees it, in pixels."""

    width: int
    height: int
    format: str


class ImageTiming(Answer):
    """Where the time went, in milliseconds."""

    queue_ms: float
    decode_ms: float
    inference_ms: float
    total_ms: float
    batch_size: int


class ClassifyAnswer(Answer):
    """The answer of /classify-image; `confident` is of the best class, and absent while the model has no calibration.

    An everyday word may be certain where its class is not: each group has a `confident` of its own.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "model": {"name": "efficientnet-lite0", "version": "1", "variant": "int8"},
                "predictions": [{"class_id": 281, "label": "tabby", "group": "cat", "score": 0.83}],
                "groups": [{"group": "cat", "score": 0.97, "confident": True}],
                "confident": True,
                "image": {"width": 500, "height": 375, "format": "JPEG"},
                "timing": {
                    "queue_ms": 0.1,
                    "decode_ms": 2.4,
                    "inference_ms": 5.9,
                    "total_ms": 9.0,
                    "batch_size": 1,
                },
            }
        },
    )

    model: ModelUsed
    predictions: list[PredictionAnswer]
    groups: list[GroupAnswer]
    confident: bool | None = None
    image: PictureAnswer
    timing: ImageTiming


class SegmentAnswer(Answer):
    """A stretch of text; times in seconds of the recording."""

    id: int
    start: float
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float

    @classmethod
    def of(cls, number: int, segment: Segment) -> SegmentAnswer:
        """From what the recogniser gave."""
        return cls(
            id=number,
            start=round(segment.start_s, 2),
            end=round(segment.end_s, 2),
            text=segment.text,
            avg_logprob=round(segment.average_logprob, 4),
            no_speech_prob=round(segment.no_speech_probability, 4),
            compression_ratio=round(segment.compression_ratio, 3),
            temperature=segment.temperature,
        )


class AudioTiming(Answer):
    """Where the time went, in milliseconds; `realtime_factor` is work by length of the recording."""

    queue_ms: float
    decode_ms: float
    inference_ms: float
    total_ms: float
    realtime_factor: float


class TranscribeAnswer(Answer):
    """The answer of /transcribe; `truncated` is there, and true, where the media ended early.

    `tracks` counts the sound tracks where there are several: the first with speech was read, or the one asked for.
    `segments` are absent with `timestamps=none`; `language` is null where none was given and nothing was said.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "model": {"name": "whisper-base", "version": "1", "variant": "int8"},
                "task": "transcribe",
                "language": "zh",
                "language_probability": 0.98,
                "duration_s": 1.62,
                "text": "换一首歌",
                "segments": [
                    {
                        "id": 0,
                        "start": 0.0,
                        "end": 1.5,
                        "text": "换一首歌",
                        "avg_logprob": -0.21,
                        "no_speech_prob": 0.01,
                        "compression_ratio": 0.6,
                        "temperature": 0.0,
                    }
                ],
                "timing": {
                    "queue_ms": 0.1,
                    "decode_ms": 6.2,
                    "inference_ms": 290.5,
                    "total_ms": 298.1,
                    "realtime_factor": 0.18,
                },
            }
        },
    )

    model: ModelUsed
    task: str
    language: str | None
    language_probability: float
    duration_s: float
    text: str
    segments: list[SegmentAnswer] = []
    truncated: bool = False
    tracks: int = 1
    timing: AudioTiming


class ProblemAnswer(Answer):
    """An error, in the shape of RFC 9457; `code` is for programs and `detail` for people."""

    type: str = Field(examples=["urn:percept:problem:unsupported_media"])
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class ModelAnswer(Answer):
    """One model: its state now, and once it is loaded what was decided for this machine, and why.

    `state` is loading, ready, failed or unloaded; `configured` models are those that readiness asks for. `draining`
    names versions that were replaced or unloaded and still answer the requests that they had taken.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "reference": "efficientnet-lite0",
                "configured": True,
                "state": "ready",
                "reason": "",
                "variant": "int8",
                "provider": "cpu",
                "plan": {
                    "lanes": 2,
                    "threads": 1,
                    "max_batch": 1,
                    "reason": "2 processors, one lane each, at batch 1; runs on cpu",
                },
                "notes": [],
                "draining": ["1"],
                "manifest": {"name": "efficientnet-lite0", "version": "2", "task": "image-classification"},
            }
        },
    )

    reference: str
    configured: bool
    state: str
    reason: str
    variant: str | None = None
    provider: str | None = None
    plan: dict[str, Any] | None = None
    notes: list[str] = []
    draining: list[str] = []
    manifest: dict[str, Any] | None = None

    @classmethod
    def of(cls, entry: Entry, draining: Sequence[str]) -> ModelAnswer:
        """From a model as it stands now, and the versions of it that are on their way out."""
        stands = cls(
            reference=entry.reference,
            configured=entry.is_configured,
            state=entry.state,
            reason=entry.reason,
            draining=list(draining),
        )
        model = entry.model
        if model is None:
            return stands
        decided = {
            "variant": model.variant,
            "provider": model.provider,
            "plan": model.plan.as_dict(),
            "notes": list(model.notes),
            "manifest": model.manifest.model_dump(mode="json"),
        }
        return stands.model_copy(update=decided)


class ModelsAnswer(Answer):
    """The configured models in order, then those loaded beside them; the first of each task is its default."""

    models: list[ModelAnswer]


class HealthAnswer(Answer):
    """That the process answers, or that it is ready."""

    status: str
