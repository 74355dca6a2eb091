"""Parameters: each known, each once, each of its type."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.parameters import Parameters, decimal
from service.errors import InvalidParameter


def one(value: str) -> Parameters:
    return Parameters(["n"], [("n", value)], {})


@given(st.integers(1, 1000))
def test_whole_numbers_in_range_are_read(number: int) -> None:
    assert one(str(number)).integer("n", 5, 1, 1000) == number


@given(st.text(min_size=1).filter(lambda text: not (text.isascii() and text.isdigit())))
def test_other_text_is_no_whole_number(text: str) -> None:
    with pytest.raises(InvalidParameter, match="whole number from 1 to 1000"):
        one(text).integer("n", 5, 1, 1000)


@pytest.mark.parametrize("text", ["0", "1001", "-1", "+1", "1.0", " 1", "1_0", "٣", "9" * 5000, " "])
def test_numbers_out_of_range_or_in_other_dress_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        one(text).integer("n", 5, 1, 1000)


@given(st.floats(0, 1))
def test_decimals_are_read(number: float) -> None:
    assert one(repr(number)).number("n", 0.5, 0, 1) == number


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1.01", "-0.1", "half", " ", "0_1", "0._5", " 0.5", "0.5\n", "٠.٥", "1e999", "--1", "0x1"]
)
def test_what_is_no_fraction_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        one(text).number("n", 0.5, 0, 1)


@given(st.text())
def test_decimal_gives_finite_numbers_only(text: str) -> None:
    number = decimal(text)
    assert number is None or math.isfinite(number)


def test_defaults_stand_where_nothing_is_given() -> None:
    nothing = Parameters(["n"], [], {})
    assert (nothing.integer("n", 5, 1, 9), nothing.number("n", 0.5, 0, 1), nothing.text("n")) == (5, 0.5, None)
    assert nothing.choice("n", "a", ["a", "b"]) == "a"


def test_an_empty_value_means_the_default() -> None:
    empty = one("")
    assert (empty.integer("n", 5, 1, 9), empty.number("n", 0.5, 0, 1), empty.text("n")) == (5, 0.5, None)
    assert empty.choice("n", "a", ["a", "b"]) == "a"


def test_a_choice_is_one_of_its_words() -> None:
    assert one("b").choice("n", "a", ["a", "b"]) == "b"
    with pytest.raises(InvalidParameter, match="one of a, b"):
        one("c").choice("n", "a", ["a", "b"])


def test_unknown_names_are_refused_and_the_known_ones_named() -> None:
    with pytest.raises(InvalidParameter, match="`m`; known are n"):
        Parameters(["n"], [("m", "1")], {})


@pytest.mark.parametrize(("query", "form"), [([("n", "1"), ("n", "2")], {}), ([("n", "1")], {"n": "1"})])
def test_a_name_may_be_given_once(query: list[tuple[str, str]], form: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="given twice"):
        Parameters(["n"], query, form)
