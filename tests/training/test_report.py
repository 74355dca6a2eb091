"""A report is one page with everything in it, and what is written into it stays text."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from training.report import Picture, Section, Table, percent, text, write

NASTY = "<script>alert('&\"')</script>"


class Page(HTMLParser):
    """The elements, their attributes and the text of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.words += [data.strip()] if data.strip() else []


def red() -> bytes:
    """A small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def test_whatever_is_given_stays_text(tmp_path: Path) -> None:
    table = Table((NASTY,), ((NASTY,),), NASTY)
    write(tmp_path / "report.html", NASTY, NASTY, [Section(NASTY, (NASTY,), (Picture(red(), NASTY),), (table,))])
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.words.count(NASTY) == 9  # title twice, lead, section, words, caption, head, cell, picture's caption
    (image,) = [attributes for tag, attributes in page.elements if tag == "img"]
    assert image["alt"] == NASTY


def test_pictures_are_in_the_page_and_nothing_is_fetched(tmp_path: Path) -> None:
    pictures = (Picture(red(), "one"), Picture(red(), "two"))
    write(tmp_path / "report.html", "Title", "Lead", [Section("Plots", pictures=pictures)])
    content = (tmp_path / "report.html").read_text("utf-8")
    sources = [attributes["src"] or "" for tag, attributes in Page(content).elements if tag == "img"]
    assert [base64.b64decode(each.removeprefix("data:image/png;base64,"), validate=True) for each in sources] == [
        red(), red(),
    ]  # fmt: skip
    assert not re.search(r"https?://|<link|url\(", content)


def test_rows_stand_under_their_head(tmp_path: Path) -> None:
    table = Table(("figure", "value"), (("accuracy", "97 %"), ("loss", "0.1")))
    write(tmp_path / "report.html", "Title", "Lead", [Section("Results", tables=(table,))])
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    start = page.words.index("figure")
    assert page.words[start : start + 6] == ["figure", "value", "accuracy", "97 %", "loss", "0.1"]
    assert [tag for tag, _ in page.elements].count("tr") == 3
    assert "caption" not in {tag for tag, _ in page.elements}


def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    for title in ("First", "Second"):
        write(tmp_path / "report.html", title, "", [])
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert "First" not in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.123456, "0.1235"),
        (1e-7, "1e-07"),
        (3, "3"),
        (True, "True"),
        (None, ""),
        ("words", "words"),
        ([64, 0.25, None], "64, 0.25, "),
        (((1, 2), "x"), "1, 2, x"),
    ],
)
def test_values_are_short(value: object, expected: str) -> None:
    assert text(value) == expected


def test_percent() -> None:
    assert percent(0.97654) == "97.7 %"
    assert percent(0.97654, 2) == "97.65 %"
