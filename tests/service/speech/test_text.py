"""Scripts, punctuation and joining, by example and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.speech.text import ChineseScript, join, to_script, widen_punctuation


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("漢語識別", "simplified", "汉语识别"),
        ("汉语识别", "traditional", "漢語識別"),
        ("漢语", "as-is", "漢语"),
        ("頭髮和發現", "simplified", "头发和发现"),
        ("头发和发现", "traditional", "頭髮和發現"),  # one character becomes two, by the phrase
        ("軟體", "simplified", "软体"),  # the script changes, the word does not
        ("OK 3.14 ñ", "simplified", "OK 3.14 ñ"),
        ("", "traditional", ""),
    ],
)
def test_scripts(text: str, script: ChineseScript, expected: str) -> None:
    assert to_script(text, script) == expected


def test_only_chinese_is_converted() -> None:
    assert to_script("日本語の漢字を認識する", "simplified", "ja") == "日本語の漢字を認識する"
    assert to_script("漢語", "simplified", "yue") == "汉语"


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)))
def test_simplified_text_stays_as_it_is(text: str) -> None:
    once = to_script(text, "simplified")
    assert len(once) == len(text)
    assert to_script(once, "as-is") == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好,世界.", "你好，世界。"),
        ("真的? 是!", "真的？是！"),
        ("圆周率是3.14,对吗", "圆周率是3.14,对吗"),
        ("用Python,很好", "用Python,很好"),
        ("Hello, world.", "Hello, world."),
        ("他说...", "他说..."),
        ("第一章: 开始", "第一章：开始"),
        ("你好，世界。", "你好，世界。"),
    ],
)
def test_punctuation(text: str, expected: str) -> None:
    assert widen_punctuation(text) == expected


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([" Hello there.", " General."], "Hello there. General."),
        (["你好，", "世界。"], "你好，世界。"),
        (["我用 Python", "写程序"], "我用 Python写程序"),
        (["これは", "ペンです。"], "これはペンです。"),
        (["안녕하세요", "여러분"], "안녕하세요 여러분"),
        (["", "  ", "one", "", "two"], "one two"),
        ([], ""),
    ],
)
def test_joining(pieces: list[str], expected: str) -> None:
    assert join(pieces) == expected


@given(st.lists(st.text()))
def test_joining_loses_nothing_but_space(pieces: list[str]) -> None:
    joined = join(pieces)
    assert "".join(joined.split()) == "".join("".join(pieces).split())
    assert joined == joined.strip()
