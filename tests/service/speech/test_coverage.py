"""What a text covers of what was heard, and what is to be read again."""

from __future__ import annotations

import numpy as np
import pytest

from models.sound_files.resample import SPEECH_RATE_HZ
from service.speech.coverage import is_sparse, passes_over, rest, unread
from service.speech.segment import Window
from service.speech.spans import Span
from service.speech.whisper import Passage

END_S = 12.0
SENTENCE = "in being comparatively modern"


def window(*spans: tuple[float, float]) -> Window:
    """Twelve seconds from the tenth second of a recording on; spans in seconds of the window."""
    start, zero = 10 * SPEECH_RATE_HZ, round(END_S * SPEECH_RATE_HZ)
    speech = tuple(Span(*(start + round(each * SPEECH_RATE_HZ) for each in span)) for span in spans)
    return Window(start, np.zeros(zero, np.float32), speech, np.ones(zero // 512, np.float32))


def passage(start_s: float, end_s: float, text: str = SENTENCE) -> Passage:
    """A token for every four letters."""
    return Passage(start_s, end_s, (5,) * (len(text) // 4), text)


@pytest.mark.parametrize(
    ("ended_s", "begin_s"),
    [
        (4.2, 4.2),  # in a pause
        (5.6, 4.5),  # in the next sentence, of which most is left
        (3.5, 4.5),  # before the end of what it holds
        (7.4, 7.4),  # far from any pause
        (8.9, None),  # 0.6 s are left
    ],
)
def test_what_is_left_begins_in_the_pause_that_is_near(ended_s: float, begin_s: float | None) -> None:
    heard = window((0.0, 4.0), (5.0, 9.5))
    found = unread(passage(0.0, ended_s), END_S, heard)
    assert (found and found.start_s - 10) == (begin_s and pytest.approx(begin_s))
    behind = rest([passage(0.0, ended_s)], (ended_s, False), heard)
    assert (behind and behind.start) == (found and found.start)


def test_a_passage_is_not_read_again() -> None:
    """It began behind the pause."""
    found = unread(passage(5.1, 5.6), END_S, window((0.0, 4.0), (5.0, 9.5)))
    assert found is not None
    assert found.start_s == pytest.approx(15.6)


def test_where_the_model_says_that_more_follows_its_time_is_taken() -> None:
    found = rest([passage(0.0, 5.6)], (5.6, True), window((0.0, 4.0), (5.0, 9.5)))
    assert found is not None
    assert found.start_s == pytest.approx(15.6)


@pytest.mark.parametrize("reached", [(None, False), (0.4, True), (0.4, False)])
def test_a_reading_without_a_time_or_without_advance_is_not_gone_on_from(reached: tuple[float | None, bool]) -> None:
    assert rest([passage(0.0, 0.4)], reached, window((0.0, 9.0))) is None


def test_what_lies_between_two_passages_ends_where_the_second_begins() -> None:
    found = unread(passage(0.0, 2.0), 8.0, window((0.0, 1.8), (3.0, 7.0), (8.2, 10.0)))
    assert found is not None
    assert [found.start_s, found.end_s] == pytest.approx([12.0, 18.0])
    assert unread(passage(0.0, 8.0), 7.5, window((0.0, 12.0))) is None


@pytest.mark.parametrize(
    ("spans", "text", "is_over"),
    [
        ([(0.0, 1.9), (3.3, 5.8)], SENTENCE, True),  # 25 letters for 4.4 s
        ([(0.0, 4.4)], SENTENCE, False),  # no pause: somebody speaks slowly
        ([(0.0, 1.9), (3.3, 4.0)], SENTENCE, False),
        ([(0.0, 1.9), (3.3, 5.8)], SENTENCE + " and printed by hand", False),
    ],
)
def test_a_text_passes_over_what_it_cannot_hold(spans: list[tuple[float, float]], text: str, is_over: bool) -> None:
    assert passes_over([passage(0.0, 6.0, text)], window(*spans)) is is_over


def test_far_too_little_text_is_sparse() -> None:
    assert is_sparse([passage(0.0, 8.0)], window((0.0, 6.0)))
    assert not is_sparse([passage(0.0, 8.0)], window((0.0, 4.0)))
