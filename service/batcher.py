"""The one loop that takes jobs from the queue, runs them on a lane thread and settles their futures.

`try` sits inside the loop, so no input can end a lane. A batch that fails as a whole is run again one job at a time,
so no job is spoiled by a neighbour. It does not know what a job means.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Generic

from service.admission import BoundedQueue, Clock, I, Job, O

Run = Callable[[Sequence[Job[I, O]]], Sequence[O | Exception]]
_log = logging.getLogger(__name__)


class Batcher(Generic[I, O]):
    """`lanes` threads over one queue; `run` gives an outcome (or an exception) for each job of a batch."""

    def __init__(  # noqa: PLR0913 - each one is a plain part of the loop
        self,
        queue: BoundedQueue[I, O],
        run: Run[I, O],
        *,
        lanes: int,
        max_batch: int,
        clock: Clock,
        name: str,
    ) -> None:
        self._queue = queue
        self._run = run
        self._max_batch = max_batch
        self._clock = clock
        self._names = [f"lane-{name}-{number}" for number in range(lanes)]
        self._lanes: list[threading.Thread] = []

    def start(self) -> None:
        """Start the lanes; until then nothing holds on to `run` but this object."""
        self._lanes = [threading.Thread(target=self._loop, name=name, daemon=True) for name in self._names]
        for lane in self._lanes:
            lane.start()

    def join(self) -> None:
        """Wait until the lanes have ended, which they do behind a closed queue."""
        for lane in self._lanes:
            lane.join()

    def stop(self, timeout_s: float) -> bool:
        """Close the queue and wait for the lanes; False where one is still busy after `timeout_s`."""
        self._queue.close()
        give_up_at = self._clock() + timeout_s
        for lane in self._lanes:
            lane.join(max(0.0, give_up_at - self._clock()))
        return not any(lane.is_alive() for lane in self._lanes)

    def _loop(self) -> None:
        while self._serve_next():
            pass

    def _serve_next(self) -> bool:
        """Wait for a batch and serve it; False at the end. A lane that waits again holds no media of the last one."""
        batch = self._queue.take(self._max_batch)
        live = [job for job in batch if job.begin(self._clock())]
        if live:
            self._serve(live)
        return bool(batch)

    def _serve(self, batch: Sequence[Job[I, O]]) -> None:
        begun_at = self._clock()
        for job, outcome in zip(batch, self._outcomes(batch), strict=True):
            if isinstance(outcome, Exception):
                job.future.set_exception(_plain(outcome))
            else:
                job.future.set_result(outcome)
        self._queue.note_service((self._clock() - begun_at) / len(batch))

    def _outcomes(self, batch: Sequence[Job[I, O]]) -> Sequence[O | Exception]:
        try:
            outcomes = self._run(batch)
            if len(outcomes) == len(batch):
                return outcomes
            error: Exception = RuntimeError(f"{len(outcomes)} outcomes for {len(batch)} jobs")
        except BaseException as raised:  # whatever it is, it ends this batch and not the lane
            error = _plain(raised)
        if len(batch) == 1:
            return [error]
        _log.warning("a batch of %d failed; running its jobs one by one", len(batch), exc_info=error)
        return [outcome for job in batch for outcome in self._outcomes([job])]


def _plain(error: BaseException) -> Exception:
    """The error itself, or an ordinary one in place of those that threads, futures and coroutines misread."""
    if isinstance(error, Exception) and not isinstance(error, (StopIteration, CancelledError)):
        return error
    plain = RuntimeError(f"the run ended with {type(error).__name__}")
    plain.__cause__ = error
    return plain
