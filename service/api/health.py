"""GET /health/live, /health/ready and /metrics: what orchestrators and scrapers ask. None of them needs a lane."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.deps import Parts
from service.api.examples import READINESS
from service.api.openapi import problems
from service.api.schemas import HealthAnswer
from service.errors import Draining, NotReady
from service.telemetry import EXPOSITION_TYPE

router = APIRouter()
_RETRY_AFTER_S = 2.0


@router.get("/health/live", summary="Does the process answer?")
async def live() -> HealthAnswer:
    """Always 200 while the event loop turns."""
    return HealthAnswer(status="live")


@router.get(
    "/health/ready", summary="Is every configured model loaded, verified and warm?", responses=problems(READINESS)
)
async def ready(services: Parts) -> HealthAnswer:
    """200, or 503 with the reason; 503 from the moment of SIGTERM."""
    if services.is_draining:
        raise Draining("the service is shutting down; ask another instance", _RETRY_AFTER_S)
    if reason := services.registry.why_not_ready():
        raise NotReady(reason, _RETRY_AFTER_S)
    return HealthAnswer(status="ready")


@router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
async def metrics(request: Request, services: Parts) -> Response:
    """Everything that is counted and timed."""
    return Response(services.telemetry.exposition(), headers={"Content-Type": EXPOSITION_TYPE})
