"""Spans follow the curve: hysteresis, shortest pause, shortest speech, longest span."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.speech.spans import Span, SpanRules, SpanTracker

RULES = SpanRules(threshold=0.5, release=0.3, min_speech=2, min_silence=3, max_span=20)


def spans(curve: list[float], rules: SpanRules = RULES) -> list[Span]:
    tracker = SpanTracker(rules)
    found = [span for probability in curve for span in tracker.push(probability)]
    return [*found, *tracker.flush()]


def test_speech_between_silence() -> None:
    assert spans([0.0] * 3 + [0.9] * 4 + [0.0] * 5) == [Span(3, 7)]


def test_weak_frames_hold_a_span_open_but_do_not_begin_one() -> None:
    assert spans([0.4] * 5 + [0.9] + [0.4] * 4 + [0.0] * 4) == [Span(5, 10)]
    assert spans([0.4] * 30) == []


def test_a_short_pause_is_bridged_and_a_long_one_is_not() -> None:
    assert spans([0.9] * 3 + [0.0] * 2 + [0.9] * 3) == [Span(0, 8)]
    assert spans([0.9] * 3 + [0.0] * 3 + [0.9] * 3) == [Span(0, 3), Span(6, 9)]


def test_a_click_is_no_speech() -> None:
    assert spans([0.0, 0.9, 0.0, 0.0, 0.0, 0.0]) == []


def test_a_long_span_is_cut_where_it_is_weakest() -> None:
    curve = [0.9] * 14 + [0.6, 0.4, 0.6] + [0.9] * 10
    first, second = spans(curve)
    assert first == Span(0, 15)
    assert second == Span(15, 27)


def test_a_rest_behind_a_cut_is_kept_however_short() -> None:
    found = spans([0.9] * 21)
    assert found[0].end == found[1].start
    assert found[-1].end == 21


def test_what_is_known_of_an_open_span() -> None:
    tracker = SpanTracker(RULES)
    assert list(tracker.push(0.1)) == []
    before = tracker.open_start
    assert list(tracker.push(0.9)) == []
    assert before is None
    assert tracker.open_start == 1
    assert tracker.frames == 2


probabilities = st.lists(st.sampled_from([0.0, 0.2, 0.35, 0.6, 0.95]), max_size=150)
some_rules = st.builds(
    SpanRules,
    threshold=st.just(0.5),
    release=st.just(0.3),
    min_speech=st.integers(1, 4),
    min_silence=st.integers(1, 5),
    max_span=st.integers(12, 40),
)


@given(probabilities, some_rules)
def test_spans_are_ordered_apart_and_bounded(curve: list[float], rules: SpanRules) -> None:
    found = spans(curve, rules)
    for span in found:
        assert 0 <= span.start < span.end <= len(curve)
        assert span.end - span.start <= rules.max_span
    for left, right in pairwise(found):
        assert left.end <= right.start


@given(probabilities, some_rules)
def test_all_speech_is_inside_when_nothing_is_too_short(curve: list[float], rules: SpanRules) -> None:
    everything = SpanRules(rules.threshold, rules.release, 1, rules.min_silence, rules.max_span)
    covered = {frame for span in spans(curve, everything) for frame in range(*span)}
    assert {frame for frame, probability in enumerate(curve) if probability >= rules.threshold} <= covered
