"""Chinese labels are drawn where this machine has any font for them."""

from __future__ import annotations

import warnings

import pytest

from training import fonts, plots
from training.notices import Notice


def test_a_font_with_chinese_stands_behind_the_usual_one() -> None:
    names = fonts.families()
    assert names[0] == "sans-serif"
    assert set(names[1:]) <= set(fonts.PREFERRED)
    assert fonts.found_anew()[: len(names)] == names


@pytest.mark.skipif(len(fonts.found_anew()) == 1, reason="no font with Chinese is installed (Debian: fonts-noto-cjk)")
def test_chinese_is_shown_and_nothing_is_said() -> None:
    """A box for what is missing looks the same for every character."""
    cat, dog = (plots.bars({name: 0.5}, "准确率") for name in ("猫", "狗"))
    assert cat != dog


def test_characters_that_no_font_has_are_said_in_one_sentence() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plots.bars({"\U0010fffd\U0010fffc": 0.5, "\U0010fffb": 0.2}, "accuracy")
    assert [each.category for each in caught] == [Notice]
    assert "fonts-noto-cjk" in str(caught[0].message)
