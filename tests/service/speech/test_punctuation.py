"""Marks stand where the model thought of them, and nothing that was read changes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.speech.listener import Logits
from service.speech.punctuation import Marks
from service.speech.tokenizer import Tokenizer
from tests.whispers import SPECIALS

CHARACTERS = "。、你好世界我们吗三十"
ORDINARY = [*(bytes([byte]) for byte in range(256)), *(char.encode() for char in CHARACTERS)]
SHIFTED = {name: id_ - 256 + len(ORDINARY) for name, id_ in SPECIALS.items()}
TOKENIZER = Tokenizer(r".", ORDINARY, SHIFTED)
FIRST = SHIFTED["<|0.00|>"]
MARKS = Marks(TOKENIZER, 0.5)
UNLIKELY = -9.0


def beside(**thought: float) -> Logits:
    """Log-probabilities at one place: comma, pause (、), stop, question."""
    ids = {
        "comma": ord(","),
        "pause": ORDINARY.index("、".encode()),
        "stop": ORDINARY.index("。".encode()),
        "question": ord("?"),
    }
    scores = np.full(len(MARKS.ids), UNLIKELY, np.float32)
    for name, score in thought.items():
        scores[MARKS.ids.tolist().index(ids[name])] = score
    return scores


def read(*parts: str | int) -> list[int]:
    """Text and times, in hundredths of a second, as tokens."""
    return [t for part in parts for t in (TOKENIZER.encode(part) if isinstance(part, str) else [FIRST + part // 2])]


def written(tokens: list[int], thoughts: dict[int, Logits] | None = None) -> str:
    """With marks; times are bars. Thoughts are by place."""
    places = [(thoughts or {}).get(place, beside()) for place in range(len(tokens) + 1)]
    groups = itertools.groupby(MARKS.added(tokens, places), lambda token: TOKENIZER.seconds(token) is not None)
    return "".join("|" if is_time else TOKENIZER.decode(list(group)) for is_time, group in groups)


def test_a_sentence_ends_in_a_stop_or_a_question_mark() -> None:
    tokens = read(0, "你好世界", 200)
    assert written(tokens, {5: beside(comma=-1.0, stop=-3.0)}) == "|你好世界。|"
    assert written(tokens, {5: beside(question=-0.5, stop=-3.0)}) == "|你好世界？|"


def test_text_that_no_time_ends_is_a_sentence_too() -> None:
    assert written(read(0, "你好世界")) == "|你好世界。"


def test_a_text_that_was_broken_off_is_closed_like_a_sentence() -> None:
    tokens = read(0, "你好世界")
    assert TOKENIZER.decode(MARKS.added(tokens, [beside()] * len(tokens))) == "你好世界。"


def test_at_a_pause_stands_the_likeliest_mark() -> None:
    tokens = read(0, "你好", 100, 100, "世界", 200)
    assert written(tokens, {3: beside(comma=-6.0, stop=-7.0)}) == "|你好，|世界。|"
    assert written(tokens, {3: beside(comma=-7.0, stop=-6.0)}) == "|你好。|世界。|"
    assert written(tokens, {3: beside(comma=-7.0, question=-1.0)}) == "|你好？|世界。|"


def test_inside_a_mark_stands_where_it_was_likelier_than_not() -> None:
    tokens = read(0, "你好世界", 200)
    assert written(tokens, {3: beside(comma=np.log(0.55))}) == "|你好，世界。|"
    assert written(tokens, {3: beside(comma=np.log(0.3), pause=np.log(0.25))}) == "|你好，世界。|"
    assert written(tokens, {3: beside(pause=np.log(0.3), stop=np.log(0.25))}) == "|你好、世界。|"
    assert written(tokens, {3: beside(comma=np.log(0.45))}) == "|你好世界。|"


def test_how_sure_it_must_be_is_the_artifacts() -> None:
    tokens = read(0, "你好世界", 200)
    thoughts = [beside(comma=np.log(0.3))] * (len(tokens) + 1)
    assert TOKENIZER.decode(Marks(TOKENIZER, 0.2).added(tokens, thoughts)) == "你，好，世，界。"
    assert TOKENIZER.decode(Marks(TOKENIZER, 0.4).added(tokens, thoughts)) == "你好世界。"


@pytest.mark.parametrize("text", ["你好", "我", "好 吗", "三"])
def test_a_word_by_itself_is_no_sentence(text: str) -> None:
    assert written(read(0, text, 100), {len(text) + 1: beside(stop=-0.1)}) == f"|{text}|"


@pytest.mark.parametrize("text", ["你好世界。", "你好世界,", "你好世界!", "你好世界？", "你好世界…", "「你好世界」"])
def test_marks_of_the_model_stay_alone(text: str) -> None:
    assert written(read(0, text, 200)) == f"|{text}|"


@pytest.mark.parametrize("text", ["good day", "OK good", "iPhone"])
def test_text_of_another_script_gets_none(text: str) -> None:
    certain = beside(comma=-0.01, stop=-0.01)
    tokens = read(0, text, 200)
    assert written(tokens, dict.fromkeys(range(len(tokens) + 1), certain)) == f"|{text}|"


def test_english_inside_chinese_stays_whole() -> None:
    certain = beside(comma=-0.1)
    tokens = read(0, "我们 good day", 200)
    marked = written(tokens, dict.fromkeys(range(4, len(tokens)), certain))
    assert marked == "|我们 good day。|"


def test_numbers_stay_whole_and_are_sentences() -> None:
    certain = beside(comma=-0.1)
    tokens = read(0, "138-0013", 200)
    assert written(tokens, dict.fromkeys(range(1, len(tokens) - 1), certain)) == "|138-0013。|"


def test_no_mark_stands_inside_a_character() -> None:
    """The model writes rare characters byte by byte, and thinks of many things between."""
    rare = list("龘".encode())
    tokens = [FIRST, *read("你好我"), *rare, FIRST + 100]
    certain = beside(comma=-0.1)
    assert written(tokens, {5: certain, 6: certain}) == "|你好我龘。|"
    assert written(tokens, {4: certain}) == "|你好我，龘。|"


def test_nothing_is_added_to_nothing() -> None:
    assert MARKS.added([], [beside()]) == ()
    assert MARKS.added([FIRST, FIRST + 10], [beside(stop=-0.1)] * 3) == (FIRST, FIRST + 10)
    assert written(read(0, "  ", 100), {3: beside(stop=-0.1)}) == "|  |"


def test_a_tokenizer_without_chinese_marks_uses_those_that_it_has() -> None:
    of_bytes = Tokenizer(r"\S+|\s+", ORDINARY[:256], SPECIALS)
    marks = Marks(of_bytes, 0.5)
    assert marks.ids.tolist() == [ord(","), ord("."), ord("?")]
    tokens = list("你好世界".encode())
    assert (
        of_bytes.decode(marks.added(tokens, [np.full(3, UNLIKELY, np.float32)] * (len(tokens) + 1))) == "你好世界。"
    )


ANYTHING = st.lists(st.integers(0, len(ORDINARY) - 1) | st.integers(FIRST, FIRST + 1500), max_size=40)


@settings(deadline=None, max_examples=200)
@given(ANYTHING, st.integers(0, 2**32 - 1))
def test_what_was_read_stays(tokens: list[int], seed: int) -> None:
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(6), len(tokens) + 1)).astype(np.float32)
    marked = MARKS.added(tokens, list(scores[:, : len(MARKS.ids)]))
    left = iter(marked)
    assert all(any(token == each for each in left) for token in tokens)  # in order, with others between at most
    before, after = TOKENIZER.decode(tokens), TOKENIZER.decode(marked)
    for mark in "，。？、":
        before, after = before.replace(mark, ""), after.replace(mark, "")
    assert before == after
    times = [token for token in tokens if token >= FIRST]
    assert [token for token in marked if token >= FIRST] == times


def test_no_mark_stands_beside_another() -> None:
    certain = beside(comma=-0.1)
    tokens = read(0, "你好，世界。", 100, 100, "我们,三十吗", 200)
    marked = written(tokens, dict.fromkeys(range(len(tokens) + 1), certain))
    assert not any(a in "，。？、," and b in "，。？、," for a, b in itertools.pairwise(marked.replace("|", "")))
