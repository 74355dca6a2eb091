"""Which models this process serves: reference → loaded model, and whether all of them are ready.

Models are registered as not ready first and loaded behind, one after another. It does not know how a model is loaded
(a function is injected) or what it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from models.manifest import Manifest, Task
from models.store import ArtifactDamagedError, ArtifactNotFoundError, Store
from service.engine import Engine
from service.errors import ArtifactRefused, ModelNotFound, NotReady, PerceptError
from service.plan import Plan

State = Literal["loading", "ready", "failed"]
_log = logging.getLogger(__name__)
_RETRY_AFTER_S = 2.0


@dataclass(frozen=True)
class ServedModel:
    """A loaded, verified and warm model with its engine; `notes` say what was decided while loading, and why."""

    manifest: Manifest
    variant: str
    provider: str
    plan: Plan
    notes: tuple[str, ...]
    engine: Engine[Any, Any]


M = TypeVar("M", bound=ServedModel)


@dataclass
class Entry:
    """One configured model."""

    reference: str
    task: Task | None
    state: State = "loading"
    reason: str = "it is still being loaded"
    model: ServedModel | None = None

    @property
    def name(self) -> str:
        """The model's name without a version."""
        return self.reference.partition("@")[0]

    def answers_to(self, reference: str) -> bool:
        """True for `name`, and for `name@version` where that version is the loaded one."""
        name, _, version = reference.partition("@")
        return name == self.name and (not version or version == self._version())

    def _version(self) -> str:
        return self.model.manifest.version if self.model else self.reference.partition("@")[2]


class Registry:
    """The configured models, in their order: the first of each task is that task's default."""

    def __init__(self, references: Iterable[str], store: Store, load: Callable[[str], ServedModel]) -> None:
        self._store = store
        self._load = load
        self._is_stopped = False
        self.entries = [Entry(reference, _task_of(store, reference)) for reference in references]

    def load_all(self) -> None:
        """Load every model; blocks, and never raises: what failed says so in its entry."""
        for entry in self.entries:
            if self._is_stopped:
                return
            self._load_one(entry)

    def _load_one(self, entry: Entry) -> None:
        try:
            model = self._load(entry.reference)
        except PerceptError as error:
            entry.reason, entry.state = error.detail, "failed"
        except Exception:
            _log.exception("loading %s failed", entry.reference)
            entry.reason, entry.state = "an internal error, described in the log", "failed"
        else:
            model.engine.start()
            entry.task, entry.model, entry.reason, entry.state = model.manifest.task, model, "", "ready"
            _log.info("%s", describe(model))
            return
        _log.error("%s was not loaded: %s", entry.reference, entry.reason)

    def why_not_ready(self) -> str | None:
        """None once every model is ready; otherwise each one's reason."""
        missing = [f"{entry.reference}: {entry.reason}" for entry in self.entries if entry.state != "ready"]
        return "; ".join(missing) or None

    def ready(self) -> list[ServedModel]:
        """The models that answer now."""
        return [entry.model for entry in self.entries if entry.model is not None]

    def find(self, kind: type[M], task: Task, reference: str | None) -> M:
        """The model of a task that a request means: the one it names, or the task's default.

        Raises:
            ModelNotFound: no such model, not loaded, or of another task.
            NotReady: it is still loading, or could not be loaded.
        """
        entry = self._named(task, reference) if reference else self._default(task)
        if entry.model is None:
            raise NotReady(f"{entry.reference} is not ready: {entry.reason}", _RETRY_AFTER_S)
        if not isinstance(entry.model, kind):
            raise ModelNotFound(f"{entry.reference} does not do {task}")
        return entry.model

    def _default(self, task: Task) -> Entry:
        entry = next((each for each in self.entries if each.task == task), None)
        unknown = next((each for each in self.entries if each.task is None), None)
        if entry or unknown:
            return entry or unknown  # type: ignore[return-value]  # one of them is an entry
        raise ModelNotFound(f"no model for {task} is configured; name one in PERCEPT_MODELS")

    def _named(self, task: Task, reference: str) -> Entry:
        entry = next((each for each in self.entries if each.answers_to(reference)), None)
        if entry and entry.task in (task, None):
            return entry
        if entry:
            raise ModelNotFound(f"{reference} does not do {task}")
        loaded = ", ".join(each.reference for each in self.entries if each.task == task) or "none"
        raise ModelNotFound(f"{self._missing(reference)}; loaded for {task}: {loaded}")

    def _missing(self, reference: str) -> str:
        try:
            self._store.find(reference)
        except ArtifactNotFoundError:
            return f"there is no model {reference[:80]}"
        except ArtifactDamagedError:
            pass
        return f"{reference} is published but not loaded; name it in PERCEPT_MODELS"

    def stop(self, timeout_s: float) -> None:
        """Stop every engine; blocks for up to `timeout_s` each."""
        self._is_stopped = True
        for model in self.ready():
            if not model.engine.stop(timeout_s):
                _log.warning("%s was still busy when the process ended", model.manifest.name)


def describe(model: ServedModel) -> str:
    """One sentence for the log."""
    name = f"{model.manifest.name}@{model.manifest.version}"
    notes = "".join(f"; {note}" for note in model.notes)
    return f"{name} is ready: {model.variant} on {model.provider}, {model.plan.reason}{notes}"


def _task_of(store: Store, reference: str) -> Task | None:
    try:
        return store.find(reference).manifest.task
    except (ArtifactNotFoundError, ArtifactDamagedError):
        return None


def refuse(reference: str, error: Exception) -> ArtifactRefused:
    """What the store said, as an error of the service."""
    hint = "; run `make models`" if isinstance(error, ArtifactNotFoundError) else ""
    return ArtifactRefused(f"{reference}: {error}{hint}")
