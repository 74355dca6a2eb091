"""POST /classify-image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from models.postprocess import Belief, peak
from service.api.deps import InferenceKey, Parts, Services, body_of, timeout_s, unless_gone
from service.api.entrance import Entrance
from service.api.examples import PICTURES
from service.api.openapi import problems, upload_body
from service.api.parameters import Parameters
from service.api.schemas import (
    ClassifyAnswer,
    GroupAnswer,
    ImageTiming,
    ModelUsed,
    PictureAnswer,
    PredictionAnswer,
)
from service.api.upload import MemorySink, read_upload
from service.vision.classify import Classified, ImageModel, predictions

router = APIRouter()
_FIELDS = ("top_k", "model", "min_score")
_DEFAULT_TOP_K = 5
_SHOWN_GROUP_SCORE = 0.005  # groups below it round to nothing and only lengthen the answer
_OPENAPI = upload_body(
    "image/*",
    {
        "top_k": {"type": "integer", "minimum": 1, "default": _DEFAULT_TOP_K, "description": "how many classes"},
        "model": {"type": "string", "description": "`name` or `name@version`, such as `efficientnet-lite0`"},
        "min_score": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0,
            "description": "classes and groups below it are left out",
        },
    },
)


@router.post(
    "/classify-image",
    summary="Recognise what a picture shows",
    dependencies=[InferenceKey],
    response_model_exclude_unset=True,
    openapi_extra=_OPENAPI,
    responses=problems(PICTURES),
)
async def classify_image(request: Request, services: Parts) -> ClassifyAnswer:
    """Classify one picture: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, and HEIC where its library is installed."""
    with ExitStack() as held:
        entrance = Entrance(held, request, services, ImageModel, "image-classification")
        model = entrance.enter(request.query_params.get("model"))
        sink = MemorySink()
        body = body_of(request, services, services.settings.max_image_body_bytes, entrance.upload)
        form = await read_upload(request.headers, body, ("image/",), sink, _FIELDS)
        parameters = Parameters(_FIELDS, request.query_params.multi_items(), form)
        if "model" in form:
            model = entrance.enter(parameters.text("model"))
        entrance.settle()
        wanted = _Wanted(parameters, len(model.labels.classes))
        left_s = timeout_s(request, services, services.settings.default_timeout_s)
        job = model.engine.submit(sink.getvalue(), left_s)
        request.state.job = job
        classified = await unless_gone(request.receive, model.engine.result(job))
    return _answer(request, services, model, classified, job.queue_s, wanted)


class _Wanted:
    """What the client wants to see."""

    def __init__(self, parameters: Parameters, classes: int) -> None:
        self.top_k = parameters.integer("top_k", min(_DEFAULT_TOP_K, classes), 1, classes)
        self.min_score = parameters.number("min_score", 0.0, 0.0, 1.0)


def _answer(  # noqa: PLR0913, PLR0917 - what an answer is made of
    request: Request, services: Services, model: ImageModel, got: Classified, queue_s: float, wanted: _Wanted
) -> ClassifyAnswer:
    services.telemetry.observe(model.manifest.name, queue_s, got.decode_s, got.inference_s, got.batch_size)
    stages = {"queue": queue_s * 1000, "decode": got.decode_s * 1000, "inference": got.inference_s * 1000}
    request.state.timing_ms = stages
    best = predictions(got, model.labels, wanted.top_k, wanted.min_score)
    total_ms = (services.clock() - request.state.begun_at) * 1000
    answer: dict[str, Any] = {
        "model": ModelUsed.of(model),
        "predictions": [PredictionAnswer(**asdict(each)) for each in best],
        "groups": list(_groups(model, got, wanted)),
        "image": PictureAnswer(width=got.width, height=got.height, format=got.format),
        "timing": ImageTiming(
            **{f"{stage}_ms": round(duration, 3) for stage, duration in stages.items()},
            total_ms=round(total_ms, 3),
            batch_size=got.batch_size,
        ),
    }
    believed = _believed(model, got)
    return ClassifyAnswer(**answer) if believed is None else ClassifyAnswer(**answer, confident=believed)


def _believed(model: ImageModel, got: Classified) -> bool | None:
    """Whether the best class is to be believed; None where nobody found out from when on."""
    calibration = model.manifest.calibration
    if calibration is None:
        return None
    belief = Belief(calibration.confident_score, calibration.confident_peak)
    return belief.holds(float(got.probabilities.max()), float(peak(got.probabilities)))


def _groups(model: ImageModel, got: Classified, wanted: _Wanted) -> Iterator[GroupAnswer]:
    """The groups that the client wants to see, each with whether it is to be believed, where that is known."""
    calibration = model.manifest.calibration
    belief = None
    if calibration is not None and calibration.group_score is not None:
        belief = Belief(calibration.group_score, calibration.group_peak)
    height = float(peak(got.probabilities))
    for group, score in model.labels.group_scores(got.probabilities).items():
        if score < max(wanted.min_score, _SHOWN_GROUP_SCORE):
            continue
        if belief is None:
            yield GroupAnswer(group=group, score=score)
        else:
            yield GroupAnswer(group=group, score=score, confident=belief.holds(score, height))
