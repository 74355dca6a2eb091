"""Definitions as files: found by name, dotted keys, and one sentence in the words of the person who wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from training import definitions
from training.definitions import Section, checked, override, put, read
from training.errors import RecipeError


class Round(Section):
    kind: Literal["round"]
    radius: float = 1.0


class Square(Section):
    kind: Literal["square"]
    side: float = 1.0


class Drawing(Section):
    name: str
    shape: Annotated[Round | Square, Field(discriminator="kind")]


@pytest.mark.parametrize("folder", [definitions.RECIPES, definitions.STUDIES, definitions.SWEEPS])
def test_the_package_brings_some_of_each(folder: Path) -> None:
    assert definitions.names(folder) == sorted(path.stem for path in folder.glob("*.toml")) != []


def test_a_name_is_looked_for_in_the_folder_and_a_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("a = 1")
    assert read("drawing", "mine", tmp_path) == ("mine", {"a": 1})
    assert read("drawing", str(tmp_path / "mine.toml"), tmp_path / "elsewhere") == ("mine", {"a": 1})
    with pytest.raises(RecipeError, match="there is no drawing yours; those of the package are mine"):
        read("drawing", "yours", tmp_path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"kind": "round", "side": 2}, r"drawing d: shape\.side: there is no such key"),
        ({"kind": "square", "side": "wide"}, r"drawing d: shape\.side: Input should be a valid number"),
        ({"kind": "square", "side": float("inf")}, r"drawing d: shape\.side: Input should be a finite number"),
        ({"kind": "oval"}, r"drawing d: shape: Input tag 'oval'"),
        (3, "drawing d: shape: Input should be"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_written(shape: Any, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        checked("drawing", Drawing, "d", {"shape": shape})
    assert len(str(caught.value).splitlines()) == 1


def test_values_are_put_where_their_keys_say() -> None:
    content: dict[str, Any] = {"a": {"b": 1}, "c": 2}
    put(content, "a.d", 3)
    put(content, "e.f.g", 4)
    assert content == {"a": {"b": 1, "d": 3}, "c": 2, "e": {"f": {"g": 4}}}
    with pytest.raises(RecipeError, match=r"c\.d: c is no section"):
        put(content, "c.d", 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=3", 3), ("a.b = [1, 2]", [1, 2]), ("a.b=sigmoid", "sigmoid"), ("a.b='x'", "x"), ("a.b=1\nc=2", "1\nc=2")],
)
def test_a_command_line_gives_toml_or_a_word(text: str, value: Any) -> None:
    content: dict[str, Any] = {}
    override(content, text)
    assert content == {"a": {"b": value}}
