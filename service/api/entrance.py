"""A request's way to its model: it comes in, sends its body, and takes a place once that is whole.

A request is with one model at a time. Where a form names another one than the query did, it leaves the first.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Generic, TypeVar

from fastapi import Request

from models.manifest import Task
from service.admission import Arrival
from service.api.deps import Services, client_of
from service.places import Upload
from service.roster import ServedModel

M = TypeVar("M", bound=ServedModel)


class Entrance(Generic[M]):
    """One request before the models of one kind and task; it leaves when `held` is closed."""

    def __init__(self, held: ExitStack, request: Request, services: Services, kind: type[M], task: Task) -> None:
        self._within = held.enter_context(ExitStack())
        self._request = request
        self._services = services
        self._kind = kind
        self._task = task
        self._client = client_of(request, services.settings)
        self._arrival: Arrival

    @property
    def upload(self) -> Upload:
        """The body, to be counted while it comes."""
        return self._arrival.upload

    def enter(self, reference: str | None) -> M:
        """Come in to the model that is named, or the task's default.

        Raises:
            ModelNotFound, NotReady, QueueFull, Draining: as `Registry.receive`.
        """
        self._within.close()
        model, self._arrival = self._within.enter_context(
            self._services.registry.receive(self._kind, self._task, reference, self._client)
        )
        self._request.state.model = model.manifest.name
        return model

    def settle(self) -> None:
        """Take a place with the model: the body is whole.

        Raises:
            QueueFull: there is none any more.
        """
        self._arrival.settle()
