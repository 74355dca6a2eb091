"""The one lane on which what is served is changed: models are loaded, replaced and dropped one after another.

Loading takes seconds, and for some of them the GIL, so it is never done on the event loop; and two models that load
at once would hold the memory of both. A change that waits is dropped with its client, one that has begun is finished.
It does not know what a change does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from service.admission import Clock, Job
from service.allocator import give_back
from service.engine import Engine

_CAPACITY = 16  # changes that wait or run, before the next is refused
Change = Callable[[], Any]
T = TypeVar("T")


class Changes:
    """Makes changes in the order in which they came."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._engine: Engine[Change, Any] = Engine(
            "changes", _run, capacity=_CAPACITY, lanes=1, max_batch=1, clock=clock
        )

    def start(self, first: Change) -> None:
        """Start the lane with a change for which nobody waits."""
        self._engine.submit(first, math.inf)
        self._engine.start()

    async def make(self, change: Callable[[], T], timeout_s: float) -> T:
        """What the change gives, once those before it are made.

        Raises:
            QueueFull, Draining: too many wait, or the service is ending.
            DeadlineExceeded: it was not made within `timeout_s`; begun, it goes on.
            Exception: whatever the change raises.
        """
        with self._engine.admit():
            made: T = await self._engine.result(self._engine.submit(change, timeout_s))
            return made

    def stop(self) -> bool:
        """Take no more changes; the one that is being made is not waited for, and then this is False."""
        return self._engine.stop(0.0)


def _run(jobs: Sequence[Job[Change, Any]]) -> Sequence[Any]:
    return [_outcome(job.input) for job in jobs]


def _outcome(change: Change) -> Any:
    try:
        return change()
    except Exception as error:  # its client's to see
        return error
    finally:
        give_back()  # loading leaves as much free memory behind as a model is large
