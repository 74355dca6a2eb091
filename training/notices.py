"""Warnings, as a person at a terminal can read them: each once, in one line, and no more than a few.

Libraries warn in their own words, again and again, with a line of their source. Here each is said once; beyond some
they are only counted. Who wants them all asks Python for them (`PYTHONWARNINGS=default`), and is left alone.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TextIO

_MOST = 4
_WIDTH = 160
_INSTALLED = "site-packages"


class Notice(UserWarning):
    """Something of ours that a person should know, though all goes on."""


class Notices:
    """Says warnings through `say`, a line at a time."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._known: set[str] = set()
        self.unsaid = 0
        """Warnings of libraries, beyond the first few, that were not said."""

    def show(  # noqa: PLR0917 - Python's own signature
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Take the place of `warnings.showwarning`."""
        words = " ".join(str(message).split())
        if words in self._known:
            return
        if issubclass(category, Notice):
            self._known.add(words)
            self._say(f"note: {words}")
        elif len(self._known) < _MOST:
            self._known.add(words)
            self._say(f"warning of {_library(filename)}: {_short(words)}")
        else:
            self.unsaid += 1

    def end(self) -> None:
        """Say how many were only counted."""
        if self.unsaid:
            self._say(f"note: {self.unsaid} more warnings of libraries; PYTHONWARNINGS=default shows every one")


def _library(filename: str) -> str:
    parts = PurePath(filename).parts
    if _INSTALLED in parts[:-1]:
        return parts[parts.index(_INSTALLED) + 1].removesuffix(".py")
    return PurePath(filename).stem


def _short(words: str) -> str:
    return words if len(words) <= _WIDTH else words[: _WIDTH - 1] + "…"


@contextmanager
def said_once(say: Callable[[str], None]) -> Iterator[None]:
    """Say warnings in this way until the end, unless Python was told on its command line how to show them."""
    if sys.warnoptions:
        yield
        return
    notices, shown = Notices(say), warnings.showwarning
    warnings.showwarning = notices.show
    try:
        yield
    finally:
        warnings.showwarning = shown
        notices.end()
