"""The report of a run: one HTML file with everything in it, for people; plots are PNG inside the page.

A report is made of sections; what is in them is decided by the task. The template escapes whatever it is given.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATE = "report.html.jinja"


@dataclass(frozen=True)
class Picture:
    """A plot with its caption."""

    png: bytes
    caption: str

    @property
    def base64(self) -> str:
        """As it stands in the page."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Table:
    """Rows under a head; everything is text by then."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with words, plots and tables."""

    title: str
    words: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


def write(path: Path, title: str, lead: str, sections: Sequence[Section]) -> None:
    """Write the page, whole or not at all."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template(_TEMPLATE).render(title=title, lead=lead, sections=sections)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def percent(value: float, digits: int = 1) -> str:
    """A fraction as people write it."""
    return f"{100 * value:.{digits}f} %"


def text(value: Any) -> str:
    """A value of a recipe or a history, short."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(text(each) for each in value) or "none"
    return "" if value is None else str(value)
