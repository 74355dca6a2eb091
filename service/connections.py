"""All open connections of the process: how many there may be, who goes when one more comes, and who stays too long.

When the limit is met, one is closed that costs its client least: a connection that ends already, then one that idles
between requests, then one that has not finished a header, then the upload that has lasted longest; of a kind the
oldest goes first. Requests whose body is complete are never given up. It knows neither HTTP nor TLS.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

_LOOK_S = 0.5
_OWN_FILES = 32  # models while they load, pipes, listeners, standard streams
_LEAST = 4
_UPLOAD_GRACE_S = 1.0
_LOG_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Stage(IntEnum):
    """What a connection is doing, in the order in which connections are given up."""

    ENDING = 0
    IDLE = 1
    SILENT = 2
    UPLOADING = 3
    BUSY = 4


class Connection(Protocol):
    """What is asked of a connection."""

    @property
    def stage(self) -> Stage:
        """What it is doing."""
        ...

    @property
    def since(self) -> float:
        """Since when, in seconds of the clock."""
        ...

    def give_up(self) -> None:
        """End at once, for others need the place."""

    def look(self, now: float) -> None:
        """End, where it has taken too long over what it is doing."""


def affordable(wanted: int, files: int | None = None) -> int:
    """So many connections as the process may open `files` for: each may hold an upload's file beside its socket."""
    if files is None:
        files = _open_files()
    return wanted if files is None else min(wanted, max(_LEAST, (files - _OWN_FILES) // 2))


def _open_files() -> int | None:
    """How many the process may open; None where there is no limit."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - Windows has none

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else files


class Connections:
    """The connections that are open, at most `limit` of them."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._limit = limit
        self._open: set[Connection] = set()
        self._closed = 0
        self._refused = 0
        self._logged_at = -_LOG_EVERY_S

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, newcomer: Connection) -> bool:
        """Take one in; False where it must be closed, since nobody can give way."""
        if len(self._open) >= self._limit and not self._make_room():
            self._refused += 1
            self._report()
            return False
        self._open.add(newcomer)
        return True

    def leave(self, connection: Connection) -> None:
        """Forget one that was closed."""
        self._open.discard(connection)

    def _make_room(self) -> bool:
        victim = min(self._open, key=lambda each: (each.stage, each.since))
        is_fresh = self.clock() - victim.since < _UPLOAD_GRACE_S
        if victim.stage is Stage.BUSY or (victim.stage is Stage.UPLOADING and is_fresh):
            return False
        self._open.discard(victim)  # it is told of its end a little later
        victim.give_up()
        self._closed += 1
        self._report()
        return True

    async def watch(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Let every connection see whether it has taken too long, and log what was not logged yet."""
        now = self.clock()
        for each in tuple(self._open):
            each.look(now)
        self._report()

    def _report(self) -> None:
        if not (self._closed or self._refused) or self.clock() - self._logged_at < _LOG_EVERY_S:
            return
        _log.warning(
            "the limit of %d open connections was met: %d were closed that were idle, silent or slow, %d turned away",
            self._limit, self._closed, self._refused,
        )  # fmt: skip
        self._closed = self._refused = 0
        self._logged_at = self.clock()
