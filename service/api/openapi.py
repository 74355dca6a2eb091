"""What OpenAPI cannot learn from signatures: bodies that are read as streams, and the problems of each route."""

from __future__ import annotations

from typing import Any

from service.api.problems import KINDS, MEDIA_TYPE, document
from service.api.schemas import ProblemAnswer

_BINARY = {"type": "string", "format": "binary"}


def upload_body(media: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The request body of an upload route: multipart with `file` and fields, or the file itself; fields also in the
    query."""
    form = {"type": "object", "required": ["file"], "properties": {"file": _BINARY, **fields}}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}, media: {"schema": _BINARY}},
        },
        "parameters": [
            *(
                {"name": name, "in": "query", "required": False, "schema": schema, "description": "or a form field"}
                for name, schema in fields.items()
            ),
            {
                "name": "X-Request-Timeout",
                "in": "header",
                "required": False,
                "schema": {"type": "number", "exclusiveMinimum": 0},
                "description": "deadline in seconds",
            },
        ],
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer, with an example of each code."""
    return {
        status: {
            "description": " or ".join(f"`{code}`" for code, kind in KINDS.items() if kind.status == status),
            "model": ProblemAnswer,
            "content": {
                MEDIA_TYPE: {
                    "examples": {
                        code: {"value": document(code, f"{kind.title}: what is wrong, and what to do.", "7d1c…")}
                        for code, kind in KINDS.items()
                        if kind.status == status
                    }
                }
            },
        }
        for status in statuses
    }
