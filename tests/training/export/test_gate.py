"""A smaller variant passes where the interval of what it loses lies within a point, and not by luck."""

from __future__ import annotations

import numpy as np
import pytest

from training.error_rate import Edits
from training.evaluate import Answers
from training.export.gate import judge, judge_clips, why_withheld


def answers(right: list[bool]) -> Answers:
    """Of one look each, right or wrong."""
    places = np.where(right, 0, 1)
    return Answers(np.zeros(len(right), np.int64), places, np.ones(len(right)), places)


def judged(lost: int, gained: int, count: int, looks: int = 1) -> bool:
    """Whether a variant passes that differs so in looks of its own."""
    before, after = [True] * count, [True] * count
    after[:lost] = [False] * lost
    before[lost : lost + gained] = [False] * gained
    return judge(answers(before), answers(after), "photos", looks).is_passed


@pytest.mark.parametrize(
    ("lost", "gained", "count", "is_passed"),
    [
        (0, 0, 125, False),  # nothing was lost, but as little as that cannot show it
        (1, 0, 125, False),
        (0, 0, 359, True),
        (4, 0, 551, False),
        (16, 16, 4000, True),
        (50, 10, 4000, False),
        (46, 42, 10_000, True),
    ],
)
def test_the_gate(lost: int, gained: int, count: int, is_passed: bool) -> None:
    assert judged(lost, gained, count) is is_passed


@pytest.mark.parametrize("count", [125, 500, 2000])
def test_a_true_loss_of_two_points_hardly_ever_passes(count: int) -> None:
    drawn = np.random.default_rng(5).multinomial(count, [0.03, 0.01, 0.96], 200)
    assert np.mean([judged(b, c, count) for b, c, _ in drawn.tolist()]) < 0.05


def test_figures_are_of_the_pictures_and_the_interval_of_all_looks() -> None:
    before = [True] * 200
    after = [number % 20 != 1 for number in range(200)]  # the second look at every fifth of fifty pictures
    gate = judge(answers(before), answers(after), "photos", 4)
    assert (gate.count, gate.reference, gate.candidate) == (50, 1.0, 1.0)
    assert (gate.looks, gate.lost, gate.gained, gate.loss) == (200, 10, 0, 0.05)
    assert gate.loss_high is not None
    assert gate.loss_high > 0.05 > gate.margin


def test_recordings_are_judged_by_their_errors() -> None:
    clean = [Edits(reference=10)] * 200
    same = judge_clips("wer", "test part", clean, clean)
    assert same.is_passed
    assert same.loss == 0
    assert same.loss_high == pytest.approx((1 - 0.05 ** (1 / 200)) / 10, abs=1e-5)
    worse = [Edits(substitutions=1, reference=10)] * 40 + clean[40:]
    gate = judge_clips("wer", "test part", clean, worse)
    assert not gate.is_passed
    assert gate.loss == pytest.approx(0.02)
    assert not judge_clips("wer", "test part", clean[:5], clean[:5]).is_passed, "five recordings show nothing"


def test_what_is_withheld_says_why() -> None:
    few = judge(answers([True] * 30), answers([True] * 30), "test part of mine", 1)
    words = why_withheld(few)
    assert "0.00 points of top1 on 30 items of test part of mine" in words
    assert "1 is allowed" in words
    assert words.endswith("more held-out examples would narrow it")
    many = judge(answers([True] * 900), answers([False] * 90 + [True] * 810), "photos", 1)
    assert "more held-out" not in why_withheld(many)
    assert why_withheld(None) == why_withheld(judge(answers([True] * 900), answers([True] * 900), "x", 1)) == ""
