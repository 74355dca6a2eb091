"""The loop: rows in a batch equal the same rows alone, nothing ends a lane, and no job is spoiled by a neighbour."""

from __future__ import annotations

import threading
import time
import weakref
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError as Cancelled
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.admission import BoundedQueue, Job
from service.batcher import Batcher, Run
from service.errors import QueueFull

PATIENCE_S = 10.0
Work = Sequence[Job[int, int]]


@contextmanager
def lanes(run: Run[int, int], count: int = 2, max_batch: int = 4) -> Iterator[BoundedQueue[int, int]]:
    queue: BoundedQueue[int, int] = BoundedQueue(1000, count, time.monotonic)
    batcher = Batcher(queue, run, lanes=count, max_batch=max_batch, clock=time.monotonic, name="test")
    batcher.start()
    try:
        yield queue
    finally:
        assert batcher.stop(PATIENCE_S), "a lane did not end"


def put(queue: BoundedQueue[int, int], work: int) -> Job[int, int]:
    return queue.put(work, time.monotonic() + PATIENCE_S)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.integers(), max_size=40), max_batch=st.integers(1, 9), count=st.integers(1, 3))
def test_every_job_gets_the_answer_to_its_own_input(rows: list[int], max_batch: int, count: int) -> None:
    with lanes(lambda batch: [job.input * 3 + 1 for job in batch], count, max_batch) as queue:
        jobs = [put(queue, row) for row in rows]
        assert [job.future.result(PATIENCE_S) for job in jobs] == [row * 3 + 1 for row in rows]


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.integers(-5, 5), max_size=30), max_batch=st.integers(1, 9))
def test_a_batch_that_fails_spoils_only_the_jobs_that_fail_alone(rows: list[int], max_batch: int) -> None:
    def run(batch: Work) -> list[int]:
        return [100 // job.input for job in batch]

    with lanes(run, 1, max_batch) as queue:
        jobs = [put(queue, row) for row in rows]
        for job, row in zip(jobs, rows, strict=True):
            if row:
                assert job.future.result(PATIENCE_S) == 100 // row
            else:
                assert isinstance(job.future.exception(PATIENCE_S), ZeroDivisionError)


def test_an_outcome_may_be_an_error_of_one_job() -> None:
    def run(batch: Work) -> list[int | Exception]:
        return [ValueError("odd") if job.input % 2 else job.input for job in batch]

    with lanes(run) as queue:
        odd, even = put(queue, 1), put(queue, 2)
        assert even.future.result(PATIENCE_S) == 2
        with pytest.raises(ValueError, match="odd"):
            odd.future.result(PATIENCE_S)


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), RecursionError(), OSError(5, "io")])
def test_a_lane_survives(error: Exception) -> None:
    def run(batch: Work) -> list[int]:
        if batch[0].input < 0:
            raise error
        return [job.input for job in batch]

    with lanes(run, count=1, max_batch=1) as queue:
        bad, good = put(queue, -1), put(queue, 7)
        assert bad.future.exception(PATIENCE_S) is error
        assert good.future.result(PATIENCE_S) == 7


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(), CancelledError(), Cancelled()]
)
def test_what_a_future_or_a_thread_would_misread_is_an_error_like_any_other(error: BaseException) -> None:
    def run(batch: Work) -> list[int]:
        if batch[0].input < 0:
            raise error
        return [job.input for job in batch]

    with lanes(run, count=1, max_batch=1) as queue:
        bad, good = put(queue, -1), put(queue, 7)
        got = bad.future.exception(PATIENCE_S)
        assert isinstance(got, RuntimeError)
        assert got.__cause__ is error
        assert good.future.result(PATIENCE_S) == 7


def test_an_outcome_that_a_future_would_misread_is_an_error_too() -> None:
    with lanes(lambda batch: [StopIteration() for _ in batch], count=1) as queue:
        assert isinstance(put(queue, 1).future.exception(PATIENCE_S), RuntimeError)


def test_too_few_outcomes_are_an_error_and_strand_nobody() -> None:
    with lanes(lambda batch: [], count=1) as queue:
        assert isinstance(put(queue, 1).future.exception(PATIENCE_S), RuntimeError)


def test_a_job_that_nobody_waits_for_is_never_run() -> None:
    seen: list[int] = []

    def run(batch: Work) -> list[int]:
        seen.extend(job.input for job in batch)
        return [job.input for job in batch]

    queue: BoundedQueue[int, int] = BoundedQueue(10, 1, time.monotonic)
    gone, stays = put(queue, 1), put(queue, 2)
    gone.abandon()  # still in the line, as when the client leaves at the very moment that a lane takes it
    batcher = Batcher(queue, run, lanes=1, max_batch=4, clock=time.monotonic, name="test")
    batcher.start()
    assert stays.future.result(PATIENCE_S) == 2
    assert batcher.stop(PATIENCE_S)
    assert seen == [2]


def test_what_waits_is_finished_at_the_end() -> None:
    with lanes(lambda batch: [job.input for job in batch], count=1) as queue:
        jobs = [put(queue, row) for row in range(20)]
    assert [job.future.result(0) for job in jobs] == list(range(20))


def test_the_rate_is_measured_by_the_job_and_not_by_the_batch() -> None:
    now = [0.0]

    def run(batch: Work) -> list[int]:
        now[0] += 40.0
        return [job.input for job in batch]

    queue: BoundedQueue[int, int] = BoundedQueue(1, 1, lambda: now[0])
    jobs = [queue.put(row, 100.0) for row in range(4)]
    batcher = Batcher(queue, run, lanes=1, max_batch=4, clock=lambda: now[0], name="test")
    batcher.start()
    assert [job.future.result(PATIENCE_S) for job in jobs] == [0, 1, 2, 3]
    last = queue.put(4, 100.0)  # begun only after the first batch was accounted for
    last.future.result(PATIENCE_S)
    with queue.permit(), pytest.raises(QueueFull) as refusal, queue.permit():
        pass
    # 40 s by 4 jobs, then perhaps already 40 s by one: 10 s or the running mean of 10 s and 40 s, halved
    assert refusal.value.retry_after_s in (5.0, 8.0)
    batcher.stop(PATIENCE_S)


class Payload:
    """Something whose end can be seen."""


def _gone(ref: weakref.ref[Payload]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while ref() is not None and time.monotonic() < end:
        time.sleep(0)
    return ref() is None


def test_a_lane_that_waits_again_holds_nothing_of_its_last_job() -> None:
    queue: BoundedQueue[Payload, int] = BoundedQueue(10, 1, time.monotonic)
    batcher: Batcher[Payload, int] = Batcher(
        queue, lambda batch: [1 for _ in batch], lanes=1, max_batch=1, clock=time.monotonic, name="test"
    )
    batcher.start()
    payload = Payload()
    seen = weakref.ref(payload)
    assert queue.put(payload, time.monotonic() + PATIENCE_S).future.result(PATIENCE_S) == 1
    del payload
    assert _gone(seen)
    assert batcher.stop(PATIENCE_S)


def test_what_was_never_started_is_released_at_once() -> None:
    held = Payload()
    seen = weakref.ref(held)

    def run(batch: Work, held: Payload = held) -> list[int]:
        return [0 for _ in batch]

    queue: BoundedQueue[int, int] = BoundedQueue(10, 1, time.monotonic)
    batcher = Batcher(queue, run, lanes=2, max_batch=1, clock=time.monotonic, name="test")
    assert batcher.stop(PATIENCE_S)
    del held, run, batcher
    assert seen() is None


def test_joining_waits_for_the_last_job() -> None:
    opened = threading.Event()

    def run(batch: Work) -> list[int]:
        opened.wait(PATIENCE_S)
        return [job.input for job in batch]

    queue: BoundedQueue[int, int] = BoundedQueue(10, 1, time.monotonic)
    batcher = Batcher(queue, run, lanes=1, max_batch=1, clock=time.monotonic, name="test")
    batcher.start()
    job = put(queue, 3)
    queue.close()
    joining = threading.Thread(target=batcher.join)
    joining.start()
    assert not job.future.done()
    assert joining.is_alive()
    opened.set()
    joining.join(PATIENCE_S)
    assert job.future.result(0) == 3
