"""Who may come in, and where they wait: the Job and the bounded queue.

A request arrives before its body is read, and takes a place when it is whole: an overloaded service refuses at once
instead of collecting uploads, and a slow upload keeps no place (see `service.places`). The job carries its own
future: no table maps ids to futures, so nobody can be stranded by a neighbour. The queue knows neither the web nor
what a job asks for; its clock is injected.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.errors import DeadlineExceeded, Draining, NotReady, QueueFull
from service.places import Places, Upload

I = TypeVar("I")  # noqa: E741 - the input of a job
O = TypeVar("O")  # noqa: E741 - and its output
Clock = Callable[[], float]
_SMOOTHING = 0.2  # weight of the newest service time in the running mean


@dataclass(eq=False)
class Job(Generic[I, O]):
    """One piece of work and the channel for its answer; times are seconds of the injected clock."""

    input: I
    enqueued_at: float
    deadline: float
    future: Future[O] = field(default_factory=Future)
    run_s: float | None = None
    """Where set, the deadline begins anew with the work, this far ahead, and the work may extend it."""
    started_at: float | None = None
    _abandoned: threading.Event = field(default_factory=threading.Event)

    @property
    def is_abandoned(self) -> bool:
        """True once nobody waits for the answer; long work looks here and stops."""
        return self._abandoned.is_set()

    @property
    def queue_s(self) -> float:
        """How long the job waited before it was begun; 0 while it still waits."""
        return 0.0 if self.started_at is None else self.started_at - self.enqueued_at

    def abandon(self) -> None:
        """Nobody waits any more: a waiting job is dropped, a running one may stop early."""
        self._abandoned.set()
        self.future.cancel()

    def begin(self, now: float) -> bool:
        """Claim the job for a lane; False where it is not worth starting (and then it is settled)."""
        if not self.future.set_running_or_notify_cancel():
            return False
        if now > self.deadline:
            self.future.set_exception(DeadlineExceeded("the request waited past its deadline; try again later"))
            return False
        self.started_at = now
        if self.run_s is not None:
            self.deadline = now + self.run_s
        return True

    def extend(self, seconds: float) -> None:
        """Allow the work more time, as it turns out to be longer; a deadline of the client's own stays."""
        if self.run_s is not None:
            self.deadline += seconds


class Arrival:
    """A request that has come in: it sends its body, and then takes a place."""

    def __init__(self, upload: Upload, settle: Callable[[Upload], None]) -> None:
        self.upload = upload
        self.has_place = False
        self._settle = settle

    def settle(self) -> None:
        """Take a place, for the body is whole; it is given back when the request ends.

        Raises:
            QueueFull: none is left, for others were faster.
        """
        if not self.has_place:
            self._settle(self.upload)
            self.has_place = True


class BoundedQueue(Generic[I, O]):
    """First in, first out, with a length; safe between the event loop and the lanes."""

    def __init__(self, capacity: int, lanes: int, clock: Clock) -> None:
        self.capacity = capacity
        self._lanes = lanes
        self._clock = clock
        self._jobs: deque[Job[I, O]] = deque()
        self._changed = threading.Condition()
        self._places = Places(capacity, clock)
        self._mean_service_s = 0.0
        self._is_retired = False
        self._is_closed = False

    @property
    def depth(self) -> int:
        """Jobs that wait."""
        return len(self._jobs)

    @property
    def admitted(self) -> int:
        """Requests inside: uploading, waiting or running."""
        return self._places.inside

    @contextmanager
    def permit(self, client: str = "") -> Iterator[None]:
        """Hold one of the places.

        Raises:
            QueueFull: every place, or every one for this client, is taken; says when one is likely to be free.
            NotReady: the queue was retired.
            Draining: the queue was closed.
        """
        with self._changed:
            self._refuse_if_gone()
            self._take(client)
        try:
            yield
        finally:
            with self._changed:
                self._places.give_back(client)
                self._close_if_left()

    @contextmanager
    def arrival(self, client: str) -> Iterator[Arrival]:
        """Come in to send a body; the place is taken later, when that is whole.

        Raises:
            QueueFull, NotReady, Draining: as `permit`; QueueFull also where too many send.
        """
        with self._changed:
            self._refuse_if_gone()
            upload = self._places.begin(client)
            if upload is None:
                raise self._full()
        arrival = Arrival(upload, self._settle)
        try:
            yield arrival
        finally:
            with self._changed:
                self._places.end(upload)
                if arrival.has_place:
                    self._places.give_back(client)
                self._close_if_left()

    def _settle(self, upload: Upload) -> None:
        with self._changed:
            self._places.end(upload)
            self._take(upload.client)

    def _take(self, client: str) -> None:
        if not self._places.take(client):
            raise self._full()

    def _full(self) -> QueueFull:
        return QueueFull("every place in the queue is taken; try again later", self._retry_after_s())

    def _retry_after_s(self) -> float:
        """When the work that is inside should be half done, from the measured service rate."""
        return max(1.0, self._places.taken * self._mean_service_s / self._lanes / 2)

    def _refuse_if_gone(self) -> None:
        if self._is_retired:
            raise NotReady("the model was replaced or unloaded a moment ago; try again", 1.0)
        self._refuse_if_closed()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise Draining("the service is shutting down; ask another instance", 1.0)

    def put(self, work: I, deadline: float, run_s: float | None = None) -> Job[I, O]:
        """Queue a piece of work; the caller holds a place, so there is room. `run_s` as in `Job`.

        Raises:
            Draining: the queue was closed.
        """
        job: Job[I, O] = Job(work, self._clock(), deadline, run_s=run_s)
        with self._changed:
            self._refuse_if_closed()
            self._jobs.append(job)
            self._changed.notify()
        return job

    def take(self, limit: int) -> list[Job[I, O]]:
        """Wait for work and take up to `limit` jobs; an empty list means that the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closed)
            return [self._jobs.popleft() for _ in range(min(limit, len(self._jobs)))]

    def discard(self, job: Job[I, O]) -> bool:
        """Abandon a job and free its place in line; True where it had not been begun."""
        with self._changed:
            was_waiting = job in self._jobs
            if was_waiting:
                self._jobs.remove(job)
        job.abandon()
        return was_waiting

    def note_service(self, seconds: float) -> None:
        """Remember how long one job occupied a lane."""
        with self._changed:
            mean = self._mean_service_s
            self._mean_service_s = seconds if mean == 0.0 else mean + _SMOOTHING * (seconds - mean)

    def retire(self) -> None:
        """Let nobody in any more; who is inside may still queue work, and with the last of them the queue closes."""
        with self._changed:
            self._is_retired = True
            self._close_if_left()

    def _close_if_left(self) -> None:
        if self._is_retired and not self._places.inside:
            self._close()

    def close(self) -> None:
        """Take nothing more; lanes finish what waits and then end."""
        with self._changed:
            self._close()

    def _close(self) -> None:
        self._is_closed = True
        self._changed.notify_all()
