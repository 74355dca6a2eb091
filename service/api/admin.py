"""POST /models/{name}/load, /unload and /reload: what is served is changed while requests go on being answered.

Changes are made one after another, whatever they concern; the next one waits. A change that has begun is finished,
whether its client waits for it or not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request

from service.api.deps import AdminKey, NoFields, Parts, Services, timeout_s, unless_gone
from service.api.examples import LOADING, RELOADING, UNLOADING
from service.api.openapi import problems
from service.api.schemas import ModelAnswer
from service.roster import Entry

router = APIRouter(prefix="/models", dependencies=[AdminKey, NoFields])
_WHICH = "`name` or `name@version`"
Reference = Annotated[str, Path(alias="name", description=_WHICH, examples=["efficientnet-lite0"])]


@router.post(
    "/{name}/load", summary="Load a model that is not served, or another version of it", responses=problems(LOADING)
)
async def load(reference: Reference, request: Request, services: Parts) -> ModelAnswer:
    """Load, verify and warm it; what is served already stays as it is.

    A `name` is the version that PERCEPT_MODELS gives it, or else the newest. A `name@version` takes the place of the
    version that is served under the bare name, and is served beside versions that are configured by number.
    """
    return await _changed(request, services, partial(services.registry.load, reference))


@router.post("/{name}/reload", summary="Take the newest version of a model", responses=problems(RELOADING))
async def reload(reference: Reference, request: Request, services: Parts) -> ModelAnswer:
    """Read the store anew, load, verify and warm the newest version (or the one that PERCEPT_MODELS gives by number),
    and only then let it take over.

    No request fails: those that the old version had taken are answered by it, later ones by the new. Where the new
    version cannot be loaded, the old one goes on and the answer says why.
    """
    return await _changed(request, services, partial(services.registry.reload, reference))


@router.post("/{name}/unload", summary="Stop serving a model", responses=problems(UNLOADING))
async def unload(reference: Reference, request: Request, services: Parts) -> ModelAnswer:
    """It takes no more requests, answers those that it has, and is then released; `draining` in /models shows it
    until then. The service is not ready while a configured model is unloaded.
    """
    return await _changed(request, services, partial(services.registry.unload, reference))


async def _changed(request: Request, services: Services, change: Callable[[], Entry]) -> ModelAnswer:
    left_s = timeout_s(request, services, services.settings.max_timeout_s)
    entry = await unless_gone(request.receive, services.changes.make(change, left_s))
    request.state.model = entry.name
    return ModelAnswer.of(entry, services.registry.draining(entry.name))
