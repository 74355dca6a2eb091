"""create_app(settings): the only place where the parts are wired together.

The application answers health at once, loads its models on a lane of its own behind that, and is ready when every
one of them is verified and warm. At the end it stops taking work and lets the lanes finish.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from models.store import Store
from service.admission import Clock
from service.api import admin, catalog, classify, health, openapi, pages, problems, transcribe
from service.api.deps import Services
from service.api.methods import Methods
from service.api.middleware import RequestScope
from service.changes import Changes
from service.loader import Loader
from service.onnx_runner import place
from service.registry import Registry
from service.settings import Settings
from service.telemetry import EngineReading, ModelReading, Telemetry

VERSION = "0.1.0"
_LANES_END_S = 5.0  # a lane stops within a step of the recogniser, or a picture; nobody waits for it any more
_DESCRIPTION = "Recognises pictures and speech on your own machine."


def create_app(settings: Settings, clock: Clock = time.monotonic) -> FastAPI:
    """The whole application for these settings; nothing is loaded until it is started.

    Raises:
        ProviderUnavailable: the settings ask for an execution provider that this machine does not have.
    """
    store = Store(settings.artifacts)
    loader = Loader(store, settings, place(settings.providers), clock)
    registry = Registry(settings.models, store, loader.load)
    services = Services(settings, registry, Telemetry(), clock, changes=Changes(clock))
    services.telemetry.watch(lambda: _engine_readings(registry), lambda: _model_readings(registry))

    app = FastAPI(
        title="Percept",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.services = services
    for module in (classify, transcribe, catalog, admin, health):
        app.include_router(module.router)
    pages.install(app)
    problems.install(app)
    openapi.install(app, has_keys=bool(settings.api_keys))
    app.add_middleware(Methods)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Server-Timing", "Retry-After"],
        )
    app.add_middleware(
        RequestScope, telemetry=services.telemetry, clock=clock, is_draining=lambda: services.is_draining
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    services.changes.start(services.registry.load_all)
    try:
        yield
    finally:
        services.is_draining = True
        is_unchanging = services.changes.stop()  # a slow load must not delay the end: what it gives is dropped
        services.lanes_ended = await asyncio.to_thread(services.registry.stop, _LANES_END_S) and is_unchanging


def _engine_readings(registry: Registry) -> Iterator[EngineReading]:
    for model in (*registry.ready(), *registry.retired):
        yield model.manifest.name, model.engine.queue_depth, model.engine.in_flight


def _model_readings(registry: Registry) -> Iterator[ModelReading]:
    for entry in registry.entries:
        model = entry.model
        labels = {"model": entry.name}
        if model is not None:
            labels |= {"version": model.manifest.version, "variant": model.variant, "provider": model.provider}
        yield labels, entry.state == "ready"
