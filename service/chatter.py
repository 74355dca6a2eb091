"""What libraries write to standard error past our log: each line is heard, and none of them is among our own lines.

Code in C writes to descriptor 2 as it likes (libtiff of a wrong tag, onnxruntime of a device). Here that descriptor
is a pipe whose lines are handed to a function, and the real standard error is kept for the log alone. Last words are
not lost: Python's own report of a crash goes to the real one. It does not know what is done with a line.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from typing import TextIO

_STDERR = 2
_READ_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 8 << 10
_LAST_LINES_S = 2.0


class Chatter:
    """Standard error of this process, from `start` to `stop`."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        """Every line that is not written to the real stream is given to `hear`, on a thread of its own."""
        self._hear = hear
        self._thread = threading.Thread(target=self._listen, name="standard-error", daemon=True)
        self._pipe = -1
        self._real = -1

    def start(self) -> TextIO:
        """The real standard error, for the log alone."""
        sys.stderr.flush()
        self._real = os.dup(_STDERR)
        self._pipe, end = os.pipe()
        # who writes may hold the lock that the listening thread waits for: a full pipe loses words and stops nobody
        os.set_blocking(end, False)
        os.dup2(end, _STDERR)
        os.close(end)
        faulthandler.enable(self._real)
        self._thread.start()
        return os.fdopen(self._real, "w", encoding="utf-8", errors="backslashreplace", closefd=False)

    def stop(self) -> None:
        """Standard error is what it was; lines that are in the pipe are still heard."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(self._real, _STDERR)
        faulthandler.enable(_STDERR)
        self._thread.join(_LAST_LINES_S)

    def _listen(self) -> None:
        line = b""
        while data := os.read(self._pipe, _READ_BYTES):
            *lines, line = (line + data).split(b"\n")
            for each in lines:
                self._say(each)
            if len(line) > _LONGEST_LINE_BYTES:
                self._say(line)
                line = b""
        self._say(line)
        os.close(self._pipe)

    def _say(self, line: bytes) -> None:
        if text := line.decode("utf-8", "backslashreplace").strip():
            self._hear(text[:_LONGEST_LINE_BYTES])
