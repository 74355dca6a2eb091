"""Changes are made one after another, and begun ones are finished."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from service.changes import Changes
from service.errors import DeadlineExceeded, Draining, NotReady, QueueFull

PATIENCE_S = 10.0


@pytest.fixture
def changes() -> Iterator[Changes]:
    made = Changes()
    made.start(lambda: None)
    yield made
    made.stop()


class Gate:
    """A change that stands still until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened, self.left = threading.Event(), threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.opened.wait(PATIENCE_S)
        self.left.set()
        return "made"


def test_what_a_change_gives_and_raises_is_its_clients(changes: Changes) -> None:
    def refuse() -> None:
        raise NotReady("why")

    assert asyncio.run(changes.make(lambda: 42, PATIENCE_S)) == 42
    with pytest.raises(NotReady, match="why"):
        asyncio.run(changes.make(refuse, PATIENCE_S))
    assert asyncio.run(changes.make(lambda: 43, PATIENCE_S)) == 43


def test_the_next_waits_for_the_one_before(changes: Changes) -> None:
    gate, made = Gate(), list[str]()

    async def scene() -> None:
        first = asyncio.ensure_future(changes.make(lambda: made.append(gate()), PATIENCE_S))
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        others = [asyncio.ensure_future(changes.make(partial(made.append, name), PATIENCE_S)) for name in "abc"]
        await asyncio.sleep(0)
        assert made == []
        gate.opened.set()
        await asyncio.gather(first, *others)

    asyncio.run(scene())
    assert made == ["made", "a", "b", "c"]


def test_one_that_waits_goes_with_its_client_and_one_that_runs_is_finished(changes: Changes) -> None:
    gate, made = Gate(), list[str]()

    async def scene() -> None:
        running = asyncio.ensure_future(changes.make(gate, PATIENCE_S))
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        waiting = asyncio.ensure_future(changes.make(lambda: made.append("never"), PATIENCE_S))
        await asyncio.sleep(0)
        for each in (running, waiting):
            each.cancel()
        await asyncio.wait([running, waiting])
        gate.opened.set()
        await changes.make(lambda: made.append("next"), PATIENCE_S)

    asyncio.run(scene())
    assert gate.left.is_set()
    assert made == ["next"]


def test_patience_ends_and_the_change_goes_on(changes: Changes) -> None:
    gate = Gate()
    with pytest.raises(DeadlineExceeded):
        asyncio.run(changes.make(gate, 0.05))
    gate.opened.set()
    assert gate.left.wait(PATIENCE_S)


def test_too_many_are_refused(changes: Changes) -> None:
    gate = Gate()

    async def scene() -> list[object]:
        asked = [asyncio.ensure_future(changes.make(gate, PATIENCE_S)) for _ in range(17)]
        await asyncio.sleep(0)
        gate.opened.set()
        return list(await asyncio.gather(*asked, return_exceptions=True))

    got = asyncio.run(scene())
    assert got[:-1] == ["made"] * 16
    assert isinstance(got[-1], QueueFull)


def test_after_the_end_nothing_is_changed_and_the_end_does_not_wait(changes: Changes) -> None:
    gate = Gate()

    async def scene() -> None:
        running = asyncio.ensure_future(changes.make(gate, PATIENCE_S))
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        changes.stop()
        with pytest.raises(Draining):
            await changes.make(lambda: None, PATIENCE_S)
        gate.opened.set()
        assert await running == "made"

    asyncio.run(scene())
