"""The models as they stand at this moment: who serves, who is on the way out, and the change from one to the other.

A model that comes has its lanes started; one that goes lets nobody in any more, answers those whom it had let in, and
is released. Both happen at one moment, so that no request finds neither. It does not know how models are loaded or
which one a request means.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from models.manifest import Manifest, Task
from service.admission import Clock
from service.allocator import give_back
from service.engine import Engine
from service.plan import Plan

State = Literal["loading", "ready", "failed", "unloaded"]
SERVED_TASKS: tuple[Task, ...] = ("image-classification", "speech-recognition")
"""What requests ask for; models for other tasks work inside of these."""
_RELEASE_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """A loaded, verified and warm model with its engine; `notes` say what was decided while loading, and why."""

    manifest: Manifest
    variant: str
    provider: str
    plan: Plan
    notes: tuple[str, ...]
    engine: Engine[Any, Any]

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.manifest.name}@{self.manifest.version}"


@dataclass(frozen=True)
class Entry:
    """One model as it stands at a moment; when something changes, a new entry takes its place.

    A reference with a version means that version; one without means the version that was loaded last.
    """

    reference: str
    task: Task | None
    is_configured: bool = True
    """Whether the service is ready only with it."""
    state: State = "loading"
    reason: str = "it is still being loaded"
    model: ServedModel | None = None

    @property
    def name(self) -> str:
        """The model's name without a version."""
        return self.reference.partition("@")[0]

    def answers_to(self, reference: str) -> bool:
        """True for `name`, and for `name@version` where that version is the loaded one."""
        name, separator, version = reference.partition("@")
        return name == self.name and (not separator or version == self._version())

    def _version(self) -> str | None:
        return self.model.manifest.version if self.model else self.reference.partition("@")[2] or None


class Roster:
    """All entries in their order; may be asked and changed by any thread."""

    def __init__(self, entries: Iterable[Entry], clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._entries = tuple(entries)
        self._retired: tuple[ServedModel, ...] = ()
        self._lock = threading.Lock()
        self._is_stopped = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry as it stands now."""
        return self._entries

    @property
    def retired(self) -> tuple[ServedModel, ...]:
        """Models that left their place and still answer those whom they had let in, the first to leave first."""
        return self._retired

    @property
    def is_stopped(self) -> bool:
        """True once nothing changes any more."""
        return self._is_stopped

    def still(self) -> AbstractContextManager[object]:
        """Nothing changes while this is held, which must be for a moment only."""
        return self._lock

    def put(self, old: Entry, new: Entry | None) -> bool:
        """Let a new entry, or none, take the place of the old one, or the last place; False once all has ended."""
        leaving = old.model
        coming = new.model if new else None
        is_change = coming is not leaving
        with self._lock:
            if self._is_stopped:
                return False
            if coming is not None and is_change:
                coming.engine.start()
            self._entries = self._with(old, new)
            if leaving is not None and is_change:
                self._retired = (*self._retired, leaving)
        if leaving is not None and is_change:
            self._see_off(leaving)
        return True

    def _with(self, old: Entry, new: Entry | None) -> tuple[Entry, ...]:
        places = [each.reference for each in self._entries]
        place = places.index(old.reference) if old.reference in places else len(places)
        return (*self._entries[:place], *([new] if new else []), *self._entries[place + 1 :])

    def _see_off(self, model: ServedModel) -> None:
        """Let a model go on a thread of its own."""
        released = threading.Event()
        weakref.finalize(model, released.set).atexit = False
        leaving, name = [model], f"retire-{model.id}"  # a thread holds on to its arguments until its end
        threading.Thread(target=self._let_go, args=(leaving, released), name=name, daemon=True).start()

    def _let_go(self, leaving: list[ServedModel], released: threading.Event) -> None:
        model = leaving.pop()
        name = model.id
        model.engine.retire()
        with self._lock:
            self._retired = tuple(each for each in self._retired if each is not model)
        del model
        _log.info("%s has answered all that it had taken, and is released", name)
        released.wait(_RELEASE_S)  # whoever changed the roster may still look at the entry that went
        give_back()

    def stop(self, timeout_s: float) -> bool:
        """Stop every engine; blocks for up to `timeout_s`, False where a lane is still busy.

        Nothing comes or goes from here on.
        """
        with self._lock:
            self._is_stopped = True
            models = (*(each.model for each in self._entries if each.model), *self._retired)
        give_up_at = self._clock() + timeout_s
        busy = [each for each in models if not each.engine.stop(0.0)]  # all of them end side by side
        busy = [each for each in busy if not each.engine.stop(max(0.0, give_up_at - self._clock()))]
        for model in busy:
            _log.warning("%s was still busy when the process ended", model.id)
        return not busy
