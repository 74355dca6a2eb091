"""One per loaded model: admit → await → finish.

The engine joins the event loop to the lanes: it hands a job over, waits for it with a deadline, and when nobody waits
any more it takes the job out of the line or tells it to stop. It knows neither the web nor what the model does.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Generic

from service.admission import Arrival, BoundedQueue, Clock, I, Job, O
from service.batcher import Batcher, Run
from service.errors import DeadlineExceeded

_LOOK_AGAIN_S = 1.0


class Engine(Generic[I, O]):
    """A bounded queue and its lanes, for one model."""

    def __init__(  # noqa: PLR0913 - the engine's plan, spelled out
        self, name: str, run: Run[I, O], *, capacity: int, lanes: int, max_batch: int, clock: Clock
    ) -> None:
        self.name = name
        self._clock = clock
        self._queue: BoundedQueue[I, O] = BoundedQueue(capacity, lanes, clock)
        self._batcher = Batcher(self._queue, run, lanes=lanes, max_batch=max_batch, clock=clock, name=name)

    @property
    def queue_depth(self) -> int:
        """Jobs that wait for a lane."""
        return self._queue.depth

    @property
    def in_flight(self) -> int:
        """Requests inside: uploading, waiting or running."""
        return self._queue.admitted

    def start(self) -> None:
        """Start the lanes."""
        self._batcher.start()

    def admit(self, client: str = "") -> AbstractContextManager[None]:
        """Hold a place for one request that is whole; `client` is whoever shares its key or address.

        Raises:
            QueueFull, NotReady, Draining: when entered.
        """
        return self._queue.permit(client)

    def receive(self, client: str) -> AbstractContextManager[Arrival]:
        """Let one request in to send its body, for which it then takes a place.

        Raises:
            QueueFull, NotReady, Draining: when entered.
        """
        return self._queue.arrival(client)

    def submit(self, work: I, timeout_s: float, patience_s: float | None = None) -> Job[I, O]:
        """Queue the work; the caller holds a place and then awaits `result`.

        With `patience_s` it may wait so long for a lane, and `timeout_s` counts from there and grows as the work
        says.

        Raises:
            Draining: the engine is being stopped.
        """
        now = self._clock()
        if patience_s is None:
            return self._queue.put(work, now + timeout_s)
        return self._queue.put(work, now + patience_s, timeout_s)

    async def result(self, job: Job[I, O]) -> O:
        """Wait for the job's output; when the waiting ends without one, the job is dropped or told to stop.

        Raises:
            DeadlineExceeded: the job's deadline passed.
            Exception: whatever the run raised for this job.
        """
        waited = asyncio.wrap_future(job.future)
        try:
            while (left_s := job.deadline - self._clock()) > 0 or waited.done():
                # a deadline may be moved while it is waited for: at most so long, then it is looked at again
                await asyncio.wait([waited], timeout=min(max(left_s, 0.0), _LOOK_AGAIN_S))
                if waited.done():
                    return waited.result()
            raise DeadlineExceeded("the request ran past its deadline; ask for more time or send less")
        finally:
            waited.cancel()
            if not job.future.done() or job.future.cancelled():
                self._queue.discard(job)

    def retire(self) -> None:
        """Let nobody in any more, and block until those who are inside were answered and the lanes have ended."""
        self._queue.retire()
        self._batcher.join()

    def stop(self, timeout_s: float) -> bool:
        """Let the lanes finish and end; blocks for up to `timeout_s`, False where a lane is still busy."""
        return self._batcher.stop(timeout_s)
