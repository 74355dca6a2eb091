"""Waiting for a job: answers, deadlines, clients that leave, and the end of the engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from service.admission import Job
from service.engine import Engine
from service.errors import DeadlineExceeded, Draining, NotReady

PATIENCE_S = 10.0


class Gate:
    """A run that stands still at every input below 0 until it is opened, or its job is abandoned."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.seen: list[int] = []

    def run(self, batch: Sequence[Job[int, int]]) -> list[int | Exception]:
        return [self._one(job) for job in batch]

    def _one(self, job: Job[int, int]) -> int:
        self.seen.append(job.input)
        self.entered.set()
        while job.input < 0 and not job.is_abandoned and not self.opened.wait(0.001):
            pass
        return job.input * 2


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def engine(gate: Gate) -> Iterator[Engine[int, int]]:
    made = Engine("test", gate.run, capacity=4, lanes=1, max_batch=1, clock=time.monotonic)
    made.start()
    yield made
    gate.opened.set()
    assert made.stop(PATIENCE_S)


async def _ask(engine: Engine[int, int], work: int, timeout_s: float = PATIENCE_S) -> int:
    with engine.admit():
        return await engine.result(engine.submit(work, timeout_s))


def test_it_answers(engine: Engine[int, int]) -> None:
    assert asyncio.run(_ask(engine, 21)) == 42
    assert (engine.queue_depth, engine.in_flight) == (0, 0)


def test_many_at_once_get_their_own_answers(engine: Engine[int, int]) -> None:
    async def ask_all() -> list[int]:
        return await asyncio.gather(*(engine.result(engine.submit(work, PATIENCE_S)) for work in range(50)))

    assert asyncio.run(ask_all()) == [2 * work for work in range(50)]


def test_a_deadline_ends_the_waiting_and_frees_the_place(engine: Engine[int, int]) -> None:
    with pytest.raises(DeadlineExceeded):
        asyncio.run(_ask(engine, -1, timeout_s=0.01))
    assert engine.in_flight == 0
    assert asyncio.run(_ask(engine, 4)) == 8  # the abandoned run gave its lane back


@pytest.mark.parametrize(
    ("error", "seen"),
    [(TimeoutError("own"), TimeoutError), (StopIteration(), RuntimeError), (SystemExit(1), RuntimeError)],
)
def test_a_fault_of_the_run_is_not_taken_for_the_deadline(error: BaseException, seen: type[Exception]) -> None:
    def run(batch: Sequence[Job[int, int]]) -> list[int]:
        raise error

    engine = Engine("test", run, capacity=4, lanes=1, max_batch=1, clock=time.monotonic)
    engine.start()
    with pytest.raises(seen) as raised:
        asyncio.run(_ask(engine, 1))
    assert not isinstance(raised.value, DeadlineExceeded)
    assert engine.stop(PATIENCE_S)


def test_a_client_that_leaves_while_queued_costs_nothing(engine: Engine[int, int], gate: Gate) -> None:
    async def scene() -> None:
        running = asyncio.ensure_future(_ask(engine, -1))
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        queued = asyncio.ensure_future(_ask(engine, 5))
        await asyncio.sleep(0)
        assert engine.queue_depth == 1
        queued.cancel()
        await asyncio.wait([queued])
        assert (engine.queue_depth, engine.in_flight) == (0, 1)
        gate.opened.set()
        assert await running == -2

    asyncio.run(scene())
    assert gate.seen == [-1]


def test_a_client_that_leaves_while_running_stops_the_run_and_strands_nobody(engine: Engine[int, int]) -> None:
    async def scene() -> None:
        running = asyncio.ensure_future(_ask(engine, -1))
        neighbour = asyncio.ensure_future(_ask(engine, 6))
        await asyncio.sleep(0)
        running.cancel()
        assert await neighbour == 12

    asyncio.run(scene())


def test_after_the_end_nothing_is_taken() -> None:
    engine: Engine[int, int] = Engine("test", Gate().run, capacity=4, lanes=2, max_batch=1, clock=time.monotonic)
    engine.start()
    assert engine.stop(PATIENCE_S)
    with pytest.raises(Draining):
        asyncio.run(_ask(engine, 1))


def test_a_busy_lane_is_reported(gate: Gate) -> None:
    engine = Engine("test", gate.run, capacity=4, lanes=1, max_batch=1, clock=time.monotonic)
    engine.start()
    engine.submit(-1, PATIENCE_S)
    assert gate.entered.wait(PATIENCE_S)
    assert not engine.stop(0.0)
    gate.opened.set()
    assert engine.stop(PATIENCE_S)


def _await_closed(engine: Engine[int, int]) -> None:
    with suppress(NotReady):
        while True:
            with engine.admit():
                pass


def test_a_retired_engine_answers_whom_it_let_in_and_ends_behind_them(engine: Engine[int, int], gate: Gate) -> None:
    async def scene() -> list[int]:
        running, queued = (asyncio.ensure_future(_ask(engine, work)) for work in (-1, 5))
        await asyncio.sleep(0)
        with engine.admit():  # this one still uploads
            retired = asyncio.ensure_future(asyncio.to_thread(engine.retire))
            await asyncio.to_thread(_await_closed, engine)
            late = engine.submit(6, PATIENCE_S)
            gate.opened.set()
            answers = [await running, await queued, await engine.result(late)]
            assert not retired.done()
        await asyncio.wait_for(retired, PATIENCE_S)
        return answers

    assert asyncio.run(scene()) == [-2, 10, 12]
    with pytest.raises(Draining):
        engine.submit(7, PATIENCE_S)
