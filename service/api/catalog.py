"""GET /models and /models/{name}: what is served, how good it is, what was decided for this machine and why."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.deps import InferenceKey, Parts
from service.api.openapi import problems
from service.api.schemas import ModelAnswer, ModelsAnswer
from service.errors import ModelNotFound
from service.registry import Entry

router = APIRouter(prefix="/models", dependencies=[InferenceKey])


@router.get("", summary="All configured models", responses=problems(401))
async def all_models(services: Parts) -> ModelsAnswer:
    """In their configured order; the first of each task is its default."""
    return ModelsAnswer(models=[_answer(entry) for entry in services.registry.entries])


@router.get("/{name}", summary="One configured model", responses=problems(401, 404))
async def one_model(name: str, services: Parts) -> ModelAnswer:
    """By `name` or `name@version`."""
    for entry in services.registry.entries:
        if entry.answers_to(name):
            return _answer(entry)
    raise ModelNotFound(f"there is no model {name[:80]} here; see /models")


def _answer(entry: Entry) -> ModelAnswer:
    model = entry.model
    if model is None:
        return ModelAnswer(reference=entry.reference, state=entry.state, reason=entry.reason)
    return ModelAnswer(
        reference=entry.reference,
        state=entry.state,
        reason=entry.reason,
        variant=model.variant,
        provider=model.provider,
        plan=model.plan.as_dict(),
        notes=list(model.notes),
        manifest=model.manifest.model_dump(mode="json"),
    )
