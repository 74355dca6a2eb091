"""What OpenAPI cannot learn from signatures: bodies that are read as streams, keys, and each route's problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.problems import KINDS, MEDIA_TYPE, document
from service.api.schemas import ProblemAnswer

_BINARY = {"type": "string", "format": "binary"}
_REQUEST_ID = "7d1c0f3e5b8a4c229e6d4a1b0c9f8e7d"
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`X-API-Key: KEY`"},
}


def upload_body(media: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The request body of an upload route: multipart with `file` and fields, or the file itself; fields also in the
    query."""
    shown = {name: _in_form(schema) for name, schema in fields.items()}
    form = {"type": "object", "required": ["file"], "properties": {"file": _BINARY, **shown}}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}, media: {"schema": _BINARY}},
        },
        "parameters": [
            *(_in_query(name, schema) for name, schema in fields.items()),
            {
                "name": "X-Request-Timeout",
                "in": "header",
                "required": False,
                "schema": {"type": "number", "exclusiveMinimum": 0},
                "description": "deadline in seconds",
            },
        ],
    }


def _in_form(schema: dict[str, Any]) -> dict[str, Any]:
    """A field of the form; where it has no default, its example is empty, which means that it is left out.

    A page that tries a route would else send a word of its own (`string`), or the least number.
    """
    return schema if "default" in schema else {**schema, "example": ""}


def _in_query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A field of the form in the query, for bodies that are the file itself.

    Without its default: a page that fills it in would send the field in both places, which is refused.
    """
    plain = {key: value for key, value in schema.items() if key != "default"}
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": plain,
        "description": "where the body is the file itself; else the form's field",
    }


def problems(examples: Mapping[str, str]) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that may answer these problems: code → an example of its `detail`."""
    statuses = sorted({KINDS[code].status for code in examples})
    return {
        status: _response({c: d for c, d in examples.items() if KINDS[c].status == status}) for status in statuses
    }


def _response(examples: Mapping[str, str]) -> dict[str, Any]:
    return {
        "description": " or ".join(f"`{code}`" for code in examples),
        "model": ProblemAnswer,
        "content": {
            MEDIA_TYPE: {
                "examples": {
                    code: {"value": document(code, detail, _REQUEST_ID)} for code, detail in examples.items()
                }
            }
        },
    }


def install(app: FastAPI, *, has_keys: bool) -> None:
    """Let the application's schema say which routes take a key, and whether they ask for one as it is configured."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_described(app, has_keys))
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend its schema


def _described(app: FastAPI, has_keys: bool) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, summary=app.summary, routes=app.routes
    )
    schema["components"]["securitySchemes"] = _KEYS
    ways: list[dict[str, list[str]]] = [{name: []} for name in _KEYS]
    for path in schema["paths"].values():
        for operation in path.values():
            if str(KINDS["unauthorized"].status) in operation["responses"]:
                # an empty way means that it goes without
                operation["security"] = ways if has_keys else [{}, *ways]
    return schema
