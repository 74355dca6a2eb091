"""What the process says of itself on standard error: text for people or one JSON object a line.

Media, transcripts and prompts are never given to a logger. Extra fields of a record travel in its `fields`.
"""

from __future__ import annotations

import json
import logging
import logging.config
from datetime import UTC, datetime
from typing import Any, Literal

REQUESTS = "percept.requests"


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


def configure(log_format: Literal["text", "json"], level: str) -> None:
    """Set up the process's logging; called once, by the program and never by an import."""
    formatter = {"()": JsonFormatter if log_format == "json" else TextFormatter}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level.upper()},
            # its warnings quote header bytes of bodies; the client gets them in our own words
            "loggers": {"python_multipart": {"level": "ERROR"}},
        }
    )
