"""Which models this process serves: reference → loaded model, whether all of them are ready, and how that is changed.

Models are registered as not ready first and loaded behind, one after another. A version takes over only once it is
loaded, verified and warm. The registry does not know how a model is loaded (a function is injected) or what it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from models.manifest import Task
from models.store import ArtifactDamagedError, ArtifactNotFoundError, Store
from service.admission import Arrival
from service.errors import Draining, ModelNotFound, NotReady, PerceptError
from service.roster import SERVED_TASKS, Entry, Roster, ServedModel

_log = logging.getLogger(__name__)
_RETRY_AFTER_S = 2.0
_ENDING = "the service is shutting down"
M = TypeVar("M", bound=ServedModel)


class Registry:
    """The configured models in their order, then those loaded beside them: the first of each task is its default.

    `load_all`, `load`, `reload` and `unload` block and are called one at a time (see `service.changes`); all else may
    be called by any thread at any time.
    """

    def __init__(self, references: Iterable[str], store: Store, load: Callable[[str], ServedModel]) -> None:
        self._store = store
        self._load = load
        self._roster = Roster(Entry(reference, _task_of(store, reference)) for reference in references)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All models as they stand now."""
        return self._roster.entries

    @property
    def retired(self) -> tuple[ServedModel, ...]:
        """Models that were replaced or unloaded and still answer what they had taken."""
        return self._roster.retired

    def draining(self, name: str) -> list[str]:
        """Versions of one model among the retired."""
        return [each.manifest.version for each in self.retired if each.manifest.name == name]

    def ready(self) -> list[ServedModel]:
        """The models that answer now."""
        return [entry.model for entry in self.entries if entry.model is not None]

    def why_not_ready(self) -> str | None:
        """None once every configured model is ready; otherwise each one's reason."""
        missing = [entry for entry in self.entries if entry.is_configured and entry.state != "ready"]
        return "; ".join(f"{entry.reference}: {entry.reason}" for entry in missing) or None

    @contextmanager
    def receive(self, kind: type[M], task: Task, reference: str | None, client: str) -> Iterator[tuple[M, Arrival]]:
        """Come in to the model that `find` gives: it answers this request, though it be replaced meanwhile.

        `client` is whoever shares the request's key or address.

        Raises:
            ModelNotFound, NotReady: as `find`.
            QueueFull, Draining: it takes no more requests.
        """
        with ExitStack() as held:
            with self._roster.still():  # or it might be retired between being found and being entered
                model = self.find(kind, task, reference)
                arrival = held.enter_context(model.engine.receive(client))
            yield model, arrival

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
        present = [each for each in self.entries if each.state != "unloaded"]
        entry = next((each for each in present if each.answers_to(reference)), None)
        if entry and entry.task in (task, None):
            return entry
        if entry:
            raise ModelNotFound(f"{reference} does not do {task}")
        loaded = ", ".join(each.reference for each in present if each.task == task) or "none"
        raise ModelNotFound(f"{self._missing(reference)}; loaded for {task}: {loaded}")

    def _missing(self, reference: str) -> str:
        try:
            self._refuse_if_inner(reference)
        except ModelNotFound as error:
            return error.detail
        return f"{reference} is published but not loaded; name it in PERCEPT_MODELS, or load it"

    def load_all(self) -> None:
        """Load every model; never raises: what failed says so in its entry."""
        for entry in self.entries:
            self._bring(entry, entry.reference)

    def load(self, reference: str) -> Entry:
        """Load a model that is not served, or another version of it; one that is served already stays as it is.

        A `name@version` takes the place of what serves under the bare name; where that is no entry, it gets its own.

        Raises:
            ModelNotFound: there is no such artifact.
            NotReady: it could not be loaded; says why, and what served goes on serving.
            Draining: the service is ending.
        """
        entry = self._entry_to_load(reference)
        wanted = reference if "@" in reference else entry.reference
        return entry if entry.model and entry.answers_to(wanted) else self._renewed(entry, wanted)

    def reload(self, reference: str) -> Entry:
        """Load what the entry's reference means by now, and let it take over.

        Raises:
            ModelNotFound: there is no such entry, or no such artifact any more.
            NotReady, Draining: as `load`.
        """
        entry = self._entry(reference)
        return self._renewed(entry, entry.reference)

    def unload(self, reference: str) -> Entry:
        """Take a model out of service; a configured one keeps its entry, and the service is not ready.

        Raises:
            ModelNotFound: there is no such entry.
            Draining: the service is ending.
        """
        entry = self._entry(reference)
        reason = f"it was unloaded; POST /models/{entry.reference}/load brings it back"
        gone = replace(entry, state="unloaded", reason=reason, model=None)
        if not self._roster.put(entry, gone if entry.is_configured else None):
            raise Draining(_ENDING, _RETRY_AFTER_S)
        _log.info("%s was unloaded", entry.reference)
        return gone

    def _entry(self, reference: str) -> Entry:
        """The entry of exactly this reference, or else the first that answers to it."""
        exact = [each for each in self.entries if each.reference == reference]
        for entry in (*exact, *(each for each in self.entries if each.answers_to(reference))):
            return entry
        raise ModelNotFound(f"{self._missing(reference)}; see /models")

    def _entry_to_load(self, reference: str) -> Entry:
        """The entry of exactly this reference, or else one that may take it, or else a new one."""
        name, separator, _ = reference.partition("@")
        exact = [each for each in self.entries if each.reference == reference]
        fitting = [each for each in self.entries if each.name == name and (not separator or each.reference == name)]
        for entry in (*exact, *fitting):
            return entry
        return Entry(reference, _task_of(self._store, reference), is_configured=False)

    def _renewed(self, entry: Entry, reference: str) -> Entry:
        self._refuse_if_inner(reference, " in the store")
        reason = self._bring(entry, reference)
        if self._roster.is_stopped:
            raise Draining(_ENDING, _RETRY_AFTER_S)
        if reason:
            kept = f"; {entry.model.id} goes on serving" if entry.model else ""
            raise NotReady(f"{reference} was not loaded: {reason}{kept}", _RETRY_AFTER_S)
        return self._entry(entry.reference)

    def _refuse_if_inner(self, reference: str, where: str = "") -> None:
        """Pass what requests may ask for, damaged or not: loading says how it is damaged.

        Raises:
            ModelNotFound: there is no such artifact, or its task is none that requests ask for.
        """
        try:
            task = self._store.find(reference).manifest.task
        except ArtifactNotFoundError as error:
            raise ModelNotFound(f"there is no model {reference[:80]}{where}") from error
        except ArtifactDamagedError:
            return
        if task not in SERVED_TASKS:
            raise ModelNotFound(f"{reference} does {task} for other models and is not served by itself")

    def _bring(self, entry: Entry, reference: str) -> str | None:
        """Load what `reference` means and let it take the entry's place; else the reason, and what served stays."""
        waiting = entry if entry.model else replace(entry, state="loading", reason=Entry.reason)
        if not self._roster.put(entry, waiting):
            return _ENDING
        loaded = self._loaded(reference)
        if isinstance(loaded, ServedModel):
            return self._serve(waiting, loaded)
        _log.error("%s was not loaded: %s", reference, loaded)
        if waiting.model is None:
            self._roster.put(
                waiting, replace(waiting, state="failed", reason=loaded) if entry.is_configured else None
            )
        return loaded

    def _loaded(self, reference: str) -> ServedModel | str:
        """The model, or the reason: an error that travels on would hold on to what was opened by half."""
        try:
            return self._load(reference)
        except PerceptError as error:
            return error.detail
        except Exception:
            _log.exception("loading %s failed", reference)
            return "an internal error, described in the log"

    def _serve(self, entry: Entry, model: ServedModel) -> str | None:
        ready = replace(entry, task=model.manifest.task, model=model, reason="", state="ready")
        if not self._roster.put(entry, ready):
            return _ENDING
        _log.info("%s", describe(model))
        return None

    def stop(self, timeout_s: float) -> bool:
        """Stop every engine; blocks for up to `timeout_s`, False where a lane is still busy.

        What is being loaded will not be served.
        """
        return self._roster.stop(timeout_s)


def describe(model: ServedModel) -> str:
    """One sentence for the log."""
    notes = "".join(f"; {note}" for note in model.notes)
    return f"{model.id} is ready: {model.variant} on {model.provider}, {model.plan.reason}{notes}"


def _task_of(store: Store, reference: str) -> Task | None:
    try:
        return store.find(reference).manifest.task
    except (ArtifactNotFoundError, ArtifactDamagedError):
        return None
