"""The best path against its definition, and units that come back as they were written."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ctc import BLANK, Units, best_path

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


def frames(path: list[int], tokens: int, seed: int) -> np.ndarray:
    """Log-probabilities `[frames, tokens]` under which each frame's likeliest token is that of the path."""
    scores = np.random.default_rng(seed).random((len(path), tokens)).astype(np.float32)
    scores[np.arange(len(path)), path] += 1
    return np.asarray(np.log(scores / scores.sum(-1, keepdims=True)), np.float32)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 99))
def test_repeats_are_one_and_blanks_are_none(path: list[int], seed: int) -> None:
    scores = frames(path, 4, seed)
    found = best_path(scores)
    assert [each.token for each in found] == [token for token, _ in itertools.groupby(path) if token != BLANK]
    for each in found:
        assert path[each.begin : each.end] == [each.token] * (each.end - each.begin)
        assert each.begin == 0 or path[each.begin - 1] != each.token
        assert each.end == len(path) or path[each.end] != each.token
        wanted = np.mean([scores[frame, each.token] for frame in range(each.begin, each.end)])
        assert each.logprob == pytest.approx(wanted, rel=1e-5)
        assert each.logprob <= 0
    assert [each.begin for each in found] == sorted(each.begin for each in found)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_likeliest_of_all_paths(seed: int) -> None:
    """Every path of four frames over three tokens is tried."""
    scores = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
    likeliest = max(itertools.product(range(3), repeat=4), key=lambda path: sum(scores[range(4), path]))
    wanted = [token for token, _ in itertools.groupby(likeliest) if token != BLANK]
    assert [each.token for each in best_path(scores)] == wanted


def test_a_token_twice_needs_a_blank_between() -> None:
    assert [each.token for each in best_path(frames([1, 1, 0, 1], 2, 0))] == [1, 1]
    assert [each.token for each in best_path(frames([1, 1, 1, 1], 2, 0))] == [1]


def test_nothing_and_silence() -> None:
    assert best_path(np.zeros((0, 3), np.float32)) == []
    assert best_path(frames([0, 0, 0], 3, 0)) == []


def test_text() -> None:
    words = Units(("one", "two"), " ")
    assert words.text([1, 0, 2, 2]) == "one two two"
    assert Units(("a", " "), "").text([1, 2, 1]) == "a a"
    assert words.text([]) == words.text([0]) == ""


@given(st.lists(TEXTS, max_size=6), st.sampled_from(["", " ", "\u3000"]))
def test_units_round_trip(texts: list[str], joiner: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.json"
        Units(tuple(texts), joiner).write(path)
        assert Units.read(path) == Units(tuple(texts), joiner)
        assert json.loads(path.read_bytes())["texts"] == texts


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"texts": ["a"]}', '{"texts": ["a", 1], "joiner": ""}', '{"texts": ["a"], "joiner": null}',
     '{"texts": "abc", "joiner": ""}', '{"texts": 3, "joiner": ""}'],
)  # fmt: skip
def test_what_are_no_units_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "units.json").write_text(content)
    with pytest.raises((ValueError, KeyError, TypeError)):
        Units.read(tmp_path / "units.json")
