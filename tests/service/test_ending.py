"""How a server ends: what runs gets its time, what outlasts it a moment for its last words, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from service import ending
from service.ending import Ending


class Wire(asyncio.Transport):
    """A transport that notes that it was dropped."""

    is_dropped = False

    def abort(self) -> None:
        self.is_dropped = True


@dataclass(eq=False)
class Client:
    """A connection as a server keeps it."""

    transport: Wire = field(default_factory=Wire)


@dataclass
class Clock:
    """Time that passes as it is asked for."""

    now: float = 0.0
    step: float = 1.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def play(
    work: Callable[[], Awaitable[None]], timeout_s: float, clients: list[Client], *, is_hurried: bool = False
) -> asyncio.Task[None]:
    """End a server with one request that does this work; the request's task as it is then."""

    async def scene() -> asyncio.Task[None]:
        tasks: set[asyncio.Task[None]] = set()
        task = asyncio.ensure_future(_of(work))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        end = Ending(timeout_s, Clock())
        if is_hurried:
            end.hurry()
        await asyncio.wait_for(end.await_all(tasks, clients), 60)
        return task

    return asyncio.run(scene())


async def _of(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _soon() -> None:
    await asyncio.sleep(0.01)


async def _never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("is_hurried", [False, True])
def test_what_outlasts_its_time_is_cancelled(is_hurried: bool) -> None:
    assert play(_never, 1e6 if is_hurried else 3.0, [], is_hurried=is_hurried).cancelled()


def test_what_ends_in_time_is_left_alone() -> None:
    task = play(_soon, 1e6, [])
    assert task.done()
    assert not task.cancelled()


def test_last_words_are_waited_for() -> None:
    said: list[str] = []

    async def polite() -> None:
        try:
            await _never()
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
            said.append("goodbye")

    task = play(polite, 3.0, [])
    assert said == ["goodbye"]
    assert not task.cancelled()


def test_who_does_not_read_its_answer_is_dropped() -> None:
    client = Client()
    play(_soon, 3.0, [client])
    assert client.transport.is_dropped


def test_last_words_are_longer_than_a_body_is_drained() -> None:
    from service.api import middleware

    assert ending.LAST_WORDS_S > middleware._DRAIN_S
