"""Edits are the fewest there are, sums weigh by length, and intervals repeat."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.error_rate import Edits, count_edits, difference_interval, loss_interval, rate_interval, total


@pytest.mark.parametrize(
    ("reference", "heard", "edits"),
    [
        ("abc", "abc", Edits(0, 0, 0, 3)),
        ("abc", "axc", Edits(1, 0, 0, 3)),
        ("abc", "ac", Edits(0, 1, 0, 3)),
        ("abc", "abxc", Edits(0, 0, 1, 3)),
        ("abc", "", Edits(0, 3, 0, 3)),
        ("", "ab", Edits(0, 0, 2, 0)),
        ("", "", Edits()),
        ("kitten", "sitting", Edits(2, 0, 1, 6)),
    ],
)
def test_edits(reference: str, heard: str, edits: Edits) -> None:
    assert count_edits(reference, heard) == edits


short = st.text("ab", max_size=6)


@given(short, short)
def test_there_is_no_shorter_way(reference: str, heard: str) -> None:
    @cache
    def distance(left: str, right: str) -> int:
        if not left or not right:
            return len(left) + len(right)
        same = distance(left[1:], right[1:]) + (left[0] != right[0])
        return min(same, distance(left[1:], right) + 1, distance(left, right[1:]) + 1)

    edits = count_edits(reference, heard)
    assert edits.errors == distance(reference, heard)
    assert edits.reference - edits.deletions + edits.insertions == len(heard)


def test_a_total_weighs_by_length() -> None:
    assert total([Edits(1, 0, 0, 1), Edits(0, 0, 0, 9)]).rate == pytest.approx(0.1)
    assert total([]).rate == 0.0
    assert Edits(insertions=2).rate == 2.0


CLIPS = [Edits(index % 3, 0, 0, 10) for index in range(60)]


def test_an_interval_holds_the_rate_and_repeats() -> None:
    low, high = rate_interval(CLIPS)
    assert low < total(CLIPS).rate < high
    assert (low, high) == rate_interval(CLIPS)
    assert (low, high) != rate_interval(CLIPS, seed=1)
    # the mean of 60 values with a standard deviation of 0.0816: ± 1.96 × 0.0105
    assert high - low == pytest.approx(0.0413, rel=0.1)


def test_pairs_are_compared_clip_by_clip() -> None:
    worse = [Edits(clip.substitutions + 1, 0, 0, 10) for clip in CLIPS]
    low, high = difference_interval(CLIPS, worse)
    assert low == pytest.approx(-0.1)  # every resample differs by the same, however the clips vary
    assert high == pytest.approx(-0.1)
    assert difference_interval(CLIPS, CLIPS) == (0.0, 0.0)


def test_other_clips_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same clips"):
        difference_interval(CLIPS, CLIPS[1:])
    with pytest.raises(ValueError, match="no clips"):
        rate_interval([])


def test_a_loss_is_within_its_interval_and_no_wider_than_the_clips_can_show() -> None:
    before = [Edits(substitutions=1, reference=10)] * 50 + [Edits(reference=10)] * 50
    after = [Edits(substitutions=2, reference=10)] * 10 + before[10:]
    low, high = loss_interval(before, after)
    assert 0 < low < 0.01 < high < 0.02
    assert loss_interval(after, before).low == pytest.approx(-high)


@pytest.mark.parametrize("clips", [5, 33, 300])
def test_where_no_clip_differs_the_upper_end_is_what_so_many_cannot_show(clips: int) -> None:
    """As many clips with one token each: the largest share that is seen in none of them in one case of twenty."""
    same = [Edits(reference=1)] * clips
    low, high = loss_interval(same, same)
    assert low == 0
    assert (1 - high) ** clips == pytest.approx(0.05)


def test_a_loss_asks_for_the_same_clips() -> None:
    with pytest.raises(ValueError, match="the same clips"):
        loss_interval([Edits(reference=3)], [Edits(reference=4)])
