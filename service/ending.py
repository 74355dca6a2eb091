"""The end of a server: running requests get their time, what outlasts it is cancelled, and so the end has a bound.

A cancelled request still answers (the outermost layer of the application says 503), so it is waited for a moment
more. It knows tasks and connections, and neither what they are about nor signals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Set
from typing import Protocol

LAST_WORDS_S = 6.0
"""For the answers of what was cancelled; longer than the outermost layer reads the rest of a body."""
_FLUSH_S = 1.0
_TICK_S = 0.05
_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What a server holds of a client."""

    @property
    def transport(self) -> asyncio.Transport:
        """The socket's side of it."""
        ...


class Ending:
    """Sees to it that a server which has stopped to listen ends within its time."""

    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._is_hurried = False

    def hurry(self) -> None:
        """Let what runs have no more time; may be called by a signal's handler."""
        self._is_hurried = True

    async def await_all(self, tasks: Set[asyncio.Task[None]], connections: Iterable[Connection]) -> None:
        """Give the tasks their time, cancel those that are left, and drop whoever does not read the answers.

        Both are the server's own collections, from which it removes what has ended.
        """
        give_up_at = self._clock() + self._timeout_s
        while tasks and not self._is_hurried and self._clock() < give_up_at:
            await asyncio.wait(set(tasks), timeout=_TICK_S)
        if tasks:
            await self._cancel(set(tasks))
        give_up_at = self._clock() + _FLUSH_S if self._is_hurried else max(give_up_at, self._clock() + _FLUSH_S)
        while list(connections) and self._clock() < give_up_at:  # noqa: ASYNC110 - the server's set tells nobody
            await asyncio.sleep(_TICK_S)
        for connection in list(connections):
            connection.transport.abort()

    async def _cancel(self, tasks: set[asyncio.Task[None]]) -> None:
        why = (
            "a second signal came" if self._is_hurried else f"they outlasted the {self._timeout_s:g} s that they had"
        )
        _log.warning("ending %d requests with 503: %s", len(tasks), why)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LAST_WORDS_S)
