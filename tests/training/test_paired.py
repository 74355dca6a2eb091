"""Tango's interval by its closed form and by simulation; looks at one picture are no independent pictures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.paired import design_effect, loss

Z = 1.6448536269514722  # one end is missed in one case of twenty


def rights(lost: int, gained: int, count: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """One look at each of `count` pictures; all others are right on both sides."""
    before, after = np.ones((count, 1), bool), np.ones((count, 1), bool)
    after[:lost] = False
    before[lost : lost + gained] = False
    return before, after


@pytest.mark.parametrize("count", [20, 125, 551, 10_000])
def test_where_nothing_differs_the_interval_is_that_of_the_number_of_pictures(count: int) -> None:
    found = loss(*rights(0, 0, count))
    assert (found.lost, found.gained, found.value) == (0, 0, 0.0)
    assert found.high == pytest.approx(Z**2 / (count + Z**2), rel=1e-6)
    assert found.low == pytest.approx(-found.high)


def test_the_ends_are_where_the_score_test_begins_to_reject() -> None:
    """By the definition: the variance is that of the likeliest shares under the limit, found here by search."""
    lost, gained, count = 7, 2, 120
    found = loss(*rights(lost, gained, count))
    for limit, sign in ((found.high, -1), (found.low, 1)):
        shares = np.linspace(max(0.0, -limit), (1 - limit) / 2 + 1e-9, 400_000)[1:-1]  # of pictures that are gained
        logs = lost * np.log(shares + limit) + gained * np.log(shares)
        logs += (count - lost - gained) * np.log(np.maximum(1e-300, 1 - 2 * shares - limit))
        likeliest = shares[logs.argmax()]
        variance = count * (2 * likeliest + limit - limit**2)
        assert (lost - gained - count * limit) / np.sqrt(variance) == pytest.approx(sign * Z, abs=2e-3)


@pytest.mark.parametrize(("lost", "gained", "count"), [(0.02, 0.0, 400), (0.04, 0.02, 1000), (0.03, 0.02, 2000)])
def test_a_true_loss_lies_above_the_interval_in_one_case_of_twenty(lost: float, gained: float, count: int) -> None:
    rng = np.random.default_rng(3)
    drawn = rng.multinomial(count, [lost, gained, 1 - lost - gained], 400)
    missed = np.mean([loss(*rights(b, c, count)).high < lost - gained for b, c, _ in drawn.tolist()])
    assert missed < 0.085


def test_looks_that_repeat_each_other_count_once() -> None:
    before, after = rights(6, 3, 100)
    once = loss(before, after)
    repeated = loss(before.repeat(8, axis=1), after.repeat(8, axis=1))
    assert repeated.high == pytest.approx(once.high, rel=1e-3)
    assert (repeated.lost, repeated.looks) == (48, 800)


def test_looks_that_differ_by_themselves_tell_more_but_never_as_much_as_pictures() -> None:
    rng = np.random.default_rng(1)
    before = np.ones((100, 10), bool)
    after = rng.random((100, 10)) > 0.02
    differences = before.astype(np.int64) - after
    assert design_effect(differences) == pytest.approx(1.9)
    assert loss(before, after).high < loss(before[:, :1], after[:, :1]).high


def test_other_pictures_or_none_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="the same pictures"):
        loss(np.ones((3, 1), bool), np.ones((4, 1), bool))
    with pytest.raises(ValueError, match="at least one"):
        loss(np.ones((0, 1), bool), np.ones((0, 1), bool))
    assert loss(np.ones((3, 1), bool), np.zeros((3, 1), bool)).high == 1.0
