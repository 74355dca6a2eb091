"""Recipes, studies and sweeps as files: found by name, read, and told in one sentence what is wrong with them.

A definition's file name is its name. Values are named by dotted keys, `section.key`, on the command line and within
studies and sweeps alike. What a definition may say is the business of its own module.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import RecipeError

_PACKAGE = Path(__file__).parent
RECIPES, STUDIES, SWEEPS = _PACKAGE / "recipes", _PACKAGE / "studies", _PACKAGE / "sweeps"
_KIND = "kind"  # which of several shapes a section has


class Section(BaseModel):
    """A part of a definition: frozen, and it refuses keys that it does not know and numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def names(folder: Path) -> list[str]:
    """The definitions of a folder."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read(what: str, reference: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Name and content of the definition of that name in the folder, or of that `.toml` file.

    Raises:
        RecipeError: there is none, or it is no TOML; `what` is its kind in words.
    """
    path = Path(reference) if reference.endswith(".toml") else folder / f"{reference}.toml"
    if not path.is_file():
        raise RecipeError(f"there is no {what} {reference}; those of the package are {', '.join(names(folder))}")
    try:
        return path.stem, tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path.name} is no TOML file: {error}") from error


def checked(what: str, model: type[S], name: str, content: Mapping[str, Any]) -> S:
    """A definition of that name from a table.

    Raises:
        RecipeError: naming the key and what is wrong with it.
    """
    try:
        return model.model_validate({**content, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        unknown = first["type"] == "extra_forbidden"
        words = "there is no such key" if unknown else first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{what} {name}: {_place(first['loc'], content) or f'the {what}'}: {words}") from error


def _place(loc: tuple[int | str, ...], content: Any) -> str:
    """Dotted as a person wrote it: pydantic also names the kind of a section that may have several shapes."""
    shown = []
    for part in loc:
        is_table = isinstance(content, Mapping)
        if is_table and part not in content and part == content.get(_KIND):
            continue
        shown.append(str(part))
        content = content.get(part) if is_table else None
    return ".".join(shown)


def put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key in a table.

    Raises:
        RecipeError: what should be a section is none.
    """
    *sections, last = key.split(".")
    for part in sections:
        content = content.setdefault(part, {})
        if not isinstance(content, dict):
            raise RecipeError(f"{key}: {part} is no section")
    content[last] = value


def override(content: dict[str, Any], text: str) -> None:
    """Set what a command line says: `section.key=value` with a TOML value; a word without quotes is a string.

    Raises:
        RecipeError: it says nothing of that form.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise RecipeError(f"--set {text} is not of the form section.key=value, as in optimise.epochs=3")
    put(content, key.strip(), _toml_value(value.strip()))


def _toml_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text
