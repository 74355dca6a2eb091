"""The best classes, and everyday groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.postprocess import Label, Labels, top_k

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
