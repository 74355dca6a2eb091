"""GET /models and /models/{name}: what is served, how good it is, what was decided for this machine and why."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.deps import InferenceKey, Parts
from service.api.examples import MODELS, ONE_MODEL
from service.api.openapi import problems
from service.api.schemas import ModelAnswer, ModelsAnswer
from service.errors import ModelNotFound

router = APIRouter(prefix="/models", dependencies=[InferenceKey])


@router.get("", summary="All models", responses=problems(MODELS))
async def all_models(services: Parts) -> ModelsAnswer:
    """The configured ones in their order, then those that were loaded beside them; the first of each task is its
    default."""
    registry = services.registry
    return ModelsAnswer(models=[ModelAnswer.of(entry, registry.draining(entry.name)) for entry in registry.entries])


@router.get("/{name}", summary="One model", responses=problems(ONE_MODEL))
async def one_model(name: str, services: Parts) -> ModelAnswer:
    """By `name` or `name@version`."""
    for entry in services.registry.entries:
        if entry.answers_to(name):
            return ModelAnswer.of(entry, services.registry.draining(entry.name))
    raise ModelNotFound(f"there is no model {name[:80]} here; see /models")
