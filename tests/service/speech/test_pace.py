"""Syllables are counted by the writing."""

from __future__ import annotations

import pytest

from service.speech.pace import syllables


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" ... ", 0),
        ("换一首歌。", 4),
        ("ありがとう", 5),
        ("안녕", 2),
        ("1, 2, 3", 3),
        ("nine", 4 / 3),
        ("Größe", 5 / 3),
        ("在Paris", 1 + 5 / 3),
    ],
)
def test_syllables(text: str, count: float) -> None:
    assert syllables(text) == pytest.approx(count)
