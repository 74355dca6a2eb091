"""What the process says of itself on standard error: text for people or one JSON object a line.

Media, transcripts and prompts are never given to a logger. Extra fields of a record travel in its `fields`. The words
of libraries are counted and kept at debug, whichever way they come: by their loggers, as Python's warnings, or
written past all of it (`service.chatter`).
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
import threading
import warnings
from collections import Counter
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

REQUESTS = "percept.requests"
LIBRARIES = "percept.libraries"
LIBRARY_NAMES = ("libav", "libtiff", "onnxruntime", "pillow", "python", "other")
_OURS = ("percept", "service", "models", "uvicorn", "asyncio", "concurrent")  # first parts of loggers' names
_BY_LOGGER = {"PIL": "pillow", "libav": "libav"}
_BY_WORDS = (
    ("onnxruntime", re.compile(r"onnxruntime", re.IGNORECASE)),
    ("libav", re.compile(r"^\[[\w/.,:-]+ @ 0x[0-9a-f]+\]")),
    (
        "libtiff",
        re.compile(r"TIFF|\.tif\b|(?:LZW|ZIP|Fax\w*|PackBits|LZMA|ZSTD|JPEG\w*)(?:Pre|Setup)?(?:Dec|Enc)ode"),
    ),
)
_log = logging.getLogger(__name__)
_libraries = logging.getLogger(LIBRARIES)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, the record's fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """`12:00:00 INFO message key=value …`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line with the record's fields behind it."""
        fields = "".join(f" {key}={value}" for key, value in getattr(record, "fields", {}).items())
        return super().formatMessage(record) + fields


class Libraries(logging.Filter):
    """Counts what libraries say, and lets it pass at debug only."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter(dict.fromkeys(LIBRARY_NAMES, 0))

    def hear(self, line: str) -> None:
        """Take a line that a library wrote to standard error."""
        library = next((name for name, words in _BY_WORDS if words.search(line)), "other")
        self._note(library, line)

    def warn(  # noqa: PLR0913, PLR0917 - Python's own signature
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Take a warning, in place of `warnings.showwarning`."""
        self._note("python", f"{filename}:{lineno}: {category.__name__}: {message}")

    def _note(self, library: str, words: str) -> None:
        self.counts[library] += 1
        _libraries.debug("%s", words, extra={"fields": {"library": library}})

    def filter(self, record: logging.LogRecord) -> bool:
        """True for our own records; those of libraries are counted, and pass where debug is asked for."""
        root = record.name.partition(".")[0]
        if root in _OURS:
            return True
        self.counts[_BY_LOGGER.get(root, "other")] += 1
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger().isEnabledFor(logging.DEBUG)


def configure(
    log_format: Literal["text", "json"], level: str, libraries: Libraries | None = None, stream: TextIO | None = None
) -> None:
    """Set up the process's logging; called once, by the program and never by an import."""
    libraries = libraries or Libraries()
    formatter = {"()": JsonFormatter if log_format == "json" else TextFormatter}
    handler = {"class": "logging.StreamHandler", "formatter": "line", "filters": ["libraries"]}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "filters": {"libraries": {"()": lambda: libraries}},
            "handlers": {"stderr": {**handler, "stream": stream or sys.stderr}},
            "root": {"handlers": ["stderr"], "level": level.upper()},
            # its warnings quote header bytes of bodies; the client gets them in our own words
            "loggers": {"python_multipart": {"level": "ERROR"}},
        }
    )
    warnings.showwarning = libraries.warn
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread_exception
    sys.unraisablehook = _on_unraisable


def _on_exception(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    _log.critical("the process ends with an error", exc_info=(kind, error, traceback))


def _on_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is None or issubclass(arguments.exc_type, SystemExit):
        return
    name = arguments.thread.name if arguments.thread else "unknown"
    error = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
    _log.error("the thread %s ended with an error", name, exc_info=error)


def _on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    error = unraisable.exc_value
    where = f"{unraisable.err_msg or 'an error that nobody can catch'}: {unraisable.object!r}"
    _log.error("%s", where, exc_info=error)
