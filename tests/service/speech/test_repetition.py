"""Runs are found wherever they stand, whatever their unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.speech.repetition import LONGEST_UNIT, Run, longest_run, spoken


def run(text: str) -> Run | None:
    return longest_run([ord(char) for char in text])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("ab", None),
        ("abab", None),
        ("ababab", Run(0, 2, 3)),
        ("坚持坚持坚持", Run(0, 2, 3)),
        ("我们坚持坚持坚持坚持了", Run(2, 2, 4)),
        ("xyaaaazabcabcabcabcab", Run(7, 3, 4)),
        ("aaaa", Run(0, 1, 4)),
    ],
)
def test_the_longest_run(text: str, found: Run | None) -> None:
    assert run(text) == found


def test_of_equally_long_runs_the_unit_is_the_shorter() -> None:
    assert run("aaaaaa") == Run(0, 1, 6)


def test_a_unit_longer_than_any_sentence_is_none() -> None:
    items = list(range(LONGEST_UNIT + 1)) * 4
    assert longest_run(items) is None
    assert longest_run(list(range(LONGEST_UNIT)) * 4) == Run(0, LONGEST_UNIT, 4)


@given(
    st.lists(st.integers(0, 3), max_size=8),
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.integers(3, 6),
)
def test_what_is_built_is_found(before: list[int], unit: list[int], count: int) -> None:
    found = longest_run([*before, *unit * count])
    assert found is not None
    assert found.length >= len(unit) * count - (found.period - 1)
    items = [*before, *unit * count][found.start : found.start + found.length]
    assert items == items[: found.period] * found.times


def test_only_what_is_said_counts() -> None:
    assert spoken("No, no — NO!") == "nonono"
    assert spoken("2,000,000 and 10 and 0 0 0") == "2and1and000"
