"""The best classes, and everyday groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.postprocess import Belief, Label, Labels, peak, top_k

LABELS = Labels((Label("tabby", "cat"), Label("花猫", "cat"), Label("desk", None), Label("hen", "bird")))


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50), st.integers(1, 60), st.floats(0, 1))
def test_top_k_is_the_head_of_the_sorted_list(scores: list[float], k: int, least: float) -> None:
    wanted = sorted(enumerate(scores), key=lambda item: (-item[1], item[0]))[:k]
    assert top_k(np.array(scores, np.float32), k, least) == [item for item in wanted if item[1] >= least]


def test_groups_sum_their_classes() -> None:
    scores = LABELS.group_scores(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    assert scores == pytest.approx({"bird": 0.4, "cat": 0.3})
    assert list(scores) == ["bird", "cat"]


def test_labels_survive_the_file(tmp_path: Path) -> None:
    LABELS.write(tmp_path / "labels.json")
    assert Labels.read(tmp_path / "labels.json") == LABELS
    assert "花猫" in (tmp_path / "labels.json").read_text("utf-8")


@given(st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=40), st.floats(0.5, 3))
def test_the_peak_is_that_of_the_logits_whatever_the_temperature(logits: list[float], temperature: float) -> None:
    row = np.array(logits, np.float64)
    scaled = np.exp((row - row.max()) / temperature)
    spread = row.std()
    wanted = (row.max() - row.mean()) / spread if spread > 1e-2 else None
    found = float(peak((scaled / scaled.sum()).astype(np.float32)))
    if wanted is not None:
        assert found == pytest.approx(wanted, rel=2e-2, abs=2e-2)


def test_the_peak_of_equal_scores_is_nothing_and_of_lost_ones_is_finite() -> None:
    assert peak(np.full(7, 1 / 7, np.float32)) == 0
    assert np.isfinite(peak(np.array([1.0, 0.0, 0.0], np.float32)))
    rows = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)
    assert peak(rows).tolist() == pytest.approx([0, 1])


def test_what_is_believed_reaches_both_limits() -> None:
    assert [Belief(0.7).holds(score, 0.0) for score in (0.69, 0.7, 0.9)] == [False, True, True]
    belief = Belief(0.7, 3.0)
    assert [belief.holds(*each) for each in ((0.8, 2.9), (0.8, 3.0), (0.6, 9.0))] == [False, True, False]
