"""What counts in a score and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.normalise import NORMALISERS, basic_words, chinese_characters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ("hello", "world")),
        ("  well -- known\n", ("well", "known")),
        ("don't", ("don", "t")),
        ("3.14 or three", ("3", "14", "or", "three")),
        ("colour color", ("colour", "color")),
        ("[laughs] (yes)", ("laughs", "yes")),
        ("ＡＢＣ １２", ("abc", "12")),
        ("Müller Ñandú", ("müller", "ñandú")),
        ("mu\u0308ller", ("müller",)),
        ("…", ()),
    ],
)
def test_basic(text: str, words: tuple[str, ...]) -> None:
    assert basic_words(text) == words


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("漢語，識別。", "汉语识别"),
        ("你好 世界！", "你好世界"),
        ("ＡＢｃ１", "abc1"),
        ("「三」、3", "三3"),
        ("隨著、随着", "随着随着"),
        ("", ""),
    ],
)
def test_chinese(text: str, characters: str) -> None:
    assert chinese_characters(text) == tuple(characters)


@pytest.mark.parametrize("name", NORMALISERS)
@given(text=st.text())
def test_normal_text_stays_normal(name: str, text: str) -> None:
    tokens = NORMALISERS[name](text)
    assert all(tokens)
    assert NORMALISERS[name](" ".join(tokens)) == tokens
