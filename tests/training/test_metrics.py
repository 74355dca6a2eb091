"""Figures of each class, counted by hand and by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import by_class, confusion

LABELS = ("cat", "dog", "bird")
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


def test_figures_by_hand() -> None:
    truth, taken = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    assert confusion(truth, taken, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    cat, dog, bird = by_class(truth, taken, LABELS)
    assert (cat.label, cat.count) == ("cat", 3)
    assert (cat.precision, cat.recall, cat.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (dog.precision, dog.recall, dog.f1) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert (bird.precision, bird.recall, bird.f1, bird.count) == (0, 0, 0, 0)


@given(PAIRS)
def test_the_figures_are_those_of_the_matrix(pairs: list[tuple[int, int]]) -> None:
    truth, taken = (np.array(each) for each in zip(*pairs, strict=True))
    counts = confusion(truth, taken, 3)
    assert counts.sum() == len(pairs)
    for number, found in enumerate(by_class(truth, taken, LABELS)):
        right, called, there = counts[number, number], counts[:, number].sum(), counts[number].sum()
        assert found.count == there
        assert found.precision == pytest.approx(right / called if called else 0)
        assert found.recall == pytest.approx(right / there if there else 0)
        assert found.f1 == pytest.approx(2 * right / (called + there) if right else 0)
