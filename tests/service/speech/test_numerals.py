"""Numbers in words: no digit is ever written, however its bytes come. In digits: what counts, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidParameter
from service.speech.numerals import NumberTokens, numbers_of, to_digits, writes_number
from service.speech.rules import Rules
from service.speech.tokenizer import Specials, Tokenizer
from tests.whispers import SPECIALS

BYTES = [bytes([byte]) for byte in range(256)]
SIZE = 256 + len(SPECIALS)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("一九九八年", "1998年"),
        ("二零二四年开始", "2024年开始"),
        ("二〇〇八年奥运会", "2008年奥运会"),
        ("百分之三十", "30%"),
        ("涨了百分之三点五。", "涨了3.5%。"),
        ("两点半", "2:30"),
        ("两点半见，好吗？", "2:30见，好吗？"),
        ("一百二十三", "123"),
        ("负三十度", "-30°"),
        ("零点三三", "0.33"),
        ("三百二十八万一千一百三十八点四八", "328万1138.48"),
        ("电话是一三八零零一三八零零零", "电话是13800138000"),
        ("请拨打零二一六五四三二一零零", "请拨打02165432100"),
        ("第二十三条", "第23条"),
        ("他有三十个，she has 5。", "他有30个，she has 5。"),
    ],
)
def test_what_counts_is_written_in_digits(said: str, written: str) -> None:
    assert to_digits(said) == written


@pytest.mark.parametrize(
    "text",
    [
        "一些人", "我们一起去", "万一下雨呢？", "统一处理", "一心一意", "三心二意", "十分高兴", "千万不要",
        "百万富翁", "一线城市", "二手住宅", "张三李四", "周三", "三三两两的人", "七零八落", "三六九等", "十字路口",
        "十有八九", "他是个二百五啊", "两点一刻", "我有三个苹果", "hello world 12%", "", "  ",
    ],
)  # fmt: skip
def test_what_does_not_count_stays(text: str) -> None:
    assert to_digits(text) == text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("隨著三百二十八萬人", "隨著328萬人"),
        ("二〇〇八年奧運會", "2008年奧運會"),
        ("一萬兩千塊錢，百分之三點五", "12000塊錢，3.5%"),
        ("三十個〇", "30個〇"),
    ],
)
def test_the_script_stays_as_it_was(said: str, written: str) -> None:
    assert to_digits(said) == written


@given(st.text(st.sampled_from("的在广州市ab ,。？\n"), max_size=30))
@settings(deadline=None, max_examples=25)
def test_text_without_numbers_stays(text: str) -> None:
    assert to_digits(text) == text


@pytest.mark.parametrize("text", ["3", "３", "٣", "५", "%", "％", "‰", "½", "²", "①", "好3"])
def test_digits_of_every_script_are_numbers(text: str) -> None:
    assert writes_number(text)


@pytest.mark.parametrize("text", ["", "三十", "〇", "百分之一", "Ⅷ", "first", "，"])
def test_words_are_none(text: str) -> None:
    assert not writes_number(text)


def test_a_digit_is_found_whole_inside_a_token_and_spread_over_several() -> None:
    full_width = "３".encode()
    tokens = [
        b"a",
        b" 3",
        "3年".encode(),
        full_width,
        full_width[:2],
        full_width[2:],
        full_width[:1],
        full_width[1:],
        b"%.",
    ]
    found = NumberTokens(tokens)
    assert found.alone == (1, 2, 3, 8)
    assert found.behind([0, 4]).tolist() == [5]
    assert found.behind([6]).tolist() == [7]
    assert found.behind([0]).tolist() == []
    assert found.behind([4, len(tokens) + 7]).tolist() == []  # a time stands between


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([b"0123456789%", "０５９％，？、".encode(), "٣५½好三".encode()]))
def test_nothing_that_is_written_under_the_rules_is_a_number(seed: int, favoured: bytes) -> None:
    """Byte by byte, with the bytes of numbers far likelier than all others."""
    tokenizer = Tokenizer(r"\S+|\s+", BYTES, SPECIALS)
    rules = Rules(Specials.of(SPECIALS), (), (), has_timestamps=False, numbers=tokenizer.numbers)
    noise, tokens = np.random.default_rng(seed), list[int]()
    for _ in range(40):
        logits = noise.normal(0, 1, (1, SIZE)).astype(np.float32)
        logits[0, list(favoured)] += 12
        scores = rules.apply(logits, [tokens])[0]
        tokens.append(int(np.argmax(scores[:256] + noise.gumbel(size=256))))
    assert not writes_number(tokenizer.decode(tokens))
    assert set(tokens) & set(favoured) or favoured.isascii()


@pytest.mark.parametrize("text", ["", "as-is"])
def test_numbers_are_written_as_the_model_does_by_default(text: str) -> None:
    assert numbers_of(text, ()) == "as-is"


def test_words_are_for_every_language_and_task() -> None:
    assert numbers_of("words", (), "translate") == "words"
    assert numbers_of("words", ("zh", "en")) == "words"


def test_digits_are_for_chinese_alone() -> None:
    assert numbers_of("digits", ("zh",)) == "digits"
    for languages, task in (
        ((), "transcribe"),
        (("en",), "transcribe"),
        (("zh", "en"), "transcribe"),
        (("zh",), "translate"),
    ):
        with pytest.raises(InvalidParameter, match="Chinese alone"):
            numbers_of("digits", languages, task)


@pytest.mark.parametrize("text", ["Words", "digit", "none"])
def test_another_way_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="must be one of as-is, digits, words"):
        numbers_of(text, ("zh",))


def test_the_normaliser_is_imported_by_nobody_who_asks_for_no_digits() -> None:
    code = "import sys, service.speech.transcribe, service.api.transcribe; print('wetext' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"
