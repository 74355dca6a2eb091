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
        ("隨著時間", "simplified", "随着时间"),
        ("随著时间", "simplified", "随着时间"),  # scripts mixed within a sentence
        ("原著是一部名著", "simplified", "原著是一部名著"),
        ("衞生衹是", "simplified", "卫生只是"),  # as Hong Kong writes
        ("妳說甚麼牠", "simplified", "你说什么它"),
        ("什么和么", "simplified", "什么和么"),
        ("乾隆年間很乾淨", "simplified", "乾隆年间很干净"),
        ("里程一萬公里", "simplified", "里程一万公里"),
        ("里程一萬公里", "traditional", "里程一萬公里"),
        ("這里很干净", "traditional", "這裏很乾淨"),
        ("這裡的薑和麵", "traditional", "這裡的薑和麵"),
        ("隨著时间看着", "traditional", "隨著時間看着"),
        ("沈默地想沈阳", "traditional", "沉默地想瀋陽"),
        ("鵬程萬里", "traditional", "鵬程萬里"),
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


CHINESE_TEXT = st.text(
    st.one_of(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), st.sampled_from("著里后干"))
)


@given(CHINESE_TEXT)
def test_the_characters_of_traditional_text_are_kept(text: str) -> None:
    """Whatever cannot be simplified text is not touched, so nothing is lost by reading it as such."""
    converted = to_script(text, "traditional")
    assert len(converted) == len(text)
    for given_one, made in zip(text, converted, strict=True):
        if to_script(made, "simplified") == to_script(given_one, "simplified") != given_one:
            assert made == given_one


@pytest.mark.parametrize(
    "text",
    [
        "萬里無雲",
        "里長和鄰里",
        "乾隆皇后後來頭髮",
        "什麼時候干擾",
        "這裡有隻貓",
        "范圍之外的豔后",
        "聖修伯里",
        "隨著著名的原著",
    ],
)
@pytest.mark.parametrize("script", ["simplified", "traditional"])
def test_converting_twice_is_converting_once(text: str, script: ChineseScript) -> None:
    once = to_script(text, script)
    assert to_script(once, script) == once


@pytest.mark.parametrize(
    "text", ["萬里無雲", "里長和鄰里", "乾隆皇后後來頭髮", "聖修伯里", "貿易伙伴", "隨著著名的原著"]
)
def test_traditional_text_stays_traditional(text: str) -> None:
    assert to_script(text, "traditional") == text


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
