"""Temperature, calibration error and the score from which on to believe, on data made to a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.postprocess import Belief
from training.calibration import (
    Answered,
    Bin,
    bound_reached,
    confident_score,
    expected_calibration_error,
    fit_belief,
    fit_temperature,
    negative_log_likelihood,
    probabilities,
    reliability,
)

CLASSES = 5


def drawn(seed: int, count: int = 20_000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits, and classes drawn with exactly the probabilities that they say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, CLASSES)).astype(np.float32)
    steps = probabilities(logits).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > steps[:, :-1]).sum(axis=1).astype(np.int64)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.25, 8))
def test_the_temperature_undoes_a_known_scale(seed: int, scale: float) -> None:
    logits, class_ids = drawn(seed)
    assert fit_temperature(logits * np.float32(scale), class_ids) == pytest.approx(scale, rel=0.06)


def test_the_temperature_is_where_the_likelihood_is_highest() -> None:
    logits, class_ids = drawn(1, 500)
    best = fit_temperature(logits, class_ids)
    lowest = negative_log_likelihood(logits, class_ids, best)
    assert all(lowest < negative_log_likelihood(logits, class_ids, best * factor) for factor in (0.9, 1.1))
    by_hand = -np.log(probabilities(logits, best)[np.arange(500), class_ids]).mean()
    assert lowest == pytest.approx(by_hand)


def test_a_model_that_is_always_right_has_a_finite_temperature() -> None:
    logits = 5 * np.eye(CLASSES, dtype=np.float32)
    assert 0 < fit_temperature(logits, np.arange(CLASSES)) < 1
    with pytest.raises(ValueError, match="fitted on examples"):
        fit_temperature(logits[:0], np.arange(0))


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=2, max_size=6), st.floats(0.05, 20))
def test_probabilities_are_that_for_any_logits(row: list[float], temperature: float) -> None:
    (scores,) = probabilities(np.array([row], np.float32), temperature)
    assert np.isfinite(scores).all()
    assert scores.sum() == pytest.approx(1)
    assert scores[np.argmax(row)] == scores.max()


def test_where_no_temperature_is_best_the_bound_is_named() -> None:
    class_ids = np.arange(CLASSES)
    for scale, bound in ((5, 0.05), (0.1, 0.05), (-5, 20.0)):
        logits = np.float32(scale) * np.eye(CLASSES, dtype=np.float32)
        assert bound_reached(logits, class_ids, fit_temperature(logits, class_ids)) == bound
    logits, class_ids = drawn(2, 300)
    assert bound_reached(logits, class_ids, fit_temperature(logits, class_ids)) is None


def test_probabilities_are_the_softmax() -> None:
    assert probabilities(np.log(np.array([[1, 2, 5]], np.float32)))[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert probabilities(np.array([[0, 2]], np.float32), 2.0)[0, 1] == pytest.approx(1 / (1 + np.exp(-1)))


def test_the_calibration_error_is_small_where_scores_are_frequencies() -> None:
    logits, class_ids = drawn(3, 50_000)
    assert expected_calibration_error(probabilities(logits), class_ids) < 0.01
    assert expected_calibration_error(probabilities(logits, 0.3), class_ids) > 0.1


def test_the_calibration_error_by_hand() -> None:
    """Two bins: 0.6 and 0.7 (one right of two), and 1.0 (both right)."""
    scores = np.array([[0.6, 0.4], [0.3, 0.7], [1.0, 0.0], [0.0, 1.0]])
    class_ids = np.array([0, 0, 0, 1])
    low, high = reliability(scores, class_ids, bins=5)
    assert low.score == pytest.approx(0.65)
    assert (low.accuracy, low.count) == (0.5, 2)
    assert high == Bin(1.0, 1.0, 2)
    assert expected_calibration_error(scores, class_ids, bins=5) == pytest.approx(0.5 * 0.15)


@given(seed=st.integers(0, 1000), temperature=st.floats(0.1, 5))
def test_every_example_is_in_one_bin(seed: int, temperature: float) -> None:
    logits, class_ids = drawn(seed, 50)
    found = reliability(probabilities(logits, temperature), class_ids)
    assert sum(each.count for each in found) == 50
    assert sum(each.count * each.accuracy for each in found) == pytest.approx(
        (logits.argmax(axis=1) == class_ids).sum()
    )


SCORED = st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.9, 0.99, 1.0]), st.integers(0, 40), st.integers(0, 2)))
"""Scores, each with how many examples that are right and how many that are wrong; scores may come again."""
STRANGE = st.lists(st.sampled_from([0.5, 0.55, 0.7, 0.95]), max_size=30)


def two_classes(best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores whose best one is of class 0."""
    return np.stack([best, 1 - best], axis=1)


def laid_out(scored: list[tuple[float, int, int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The best score and the class of each example, class 0 being right."""
    examples = [(score, wrong) for score, *counts in scored for wrong in (0, 1) for _ in range(counts[wrong])]
    return np.array([score for score, _ in examples]), np.array([wrong for _, wrong in examples], np.int64)


@given(SCORED)
def test_19_of_20_are_right_from_the_confident_score_on_and_no_lower_one_would_do(
    scored: list[tuple[float, int, int]],
) -> None:
    best, class_ids = laid_out(scored)
    threshold = confident_score(two_classes(best), class_ids)
    assert 0 <= threshold <= 1
    if threshold < 1:
        assert (class_ids[best >= threshold] == 0).mean() >= 0.95
    for lower in {*best[best < threshold]}:
        assert (class_ids[best >= lower] == 0).mean() < 0.95


@given(SCORED, STRANGE, st.integers(0, 9))
def test_19_of_20_strange_inputs_are_not_believed(
    scored: list[tuple[float, int, int]], unknown: list[float], seed: int
) -> None:
    best, class_ids = laid_out(scored)
    rng = np.random.default_rng(seed)
    found = Answered(best, rng.uniform(1, 3, len(best)))
    strange = Answered(np.array(unknown, np.float64), rng.uniform(0, 2, len(unknown)))
    belief = fit_belief(found, class_ids == 0, strange)
    assert strange.believed(belief).sum() <= 0.05 * len(unknown)
    assert belief.score >= confident_score(two_classes(best), class_ids)
    raised = Belief(
        max(confident_score(two_classes(best), class_ids), float(np.nextafter(max(unknown, default=0), 2)))
    )
    assert found.believed(belief).sum() >= 0.8 * found.believed(raised).sum()


def test_a_peak_is_asked_for_unless_it_costs_much_more_than_a_higher_score() -> None:
    best, right = np.linspace(0.6, 1, 100), np.ones(100, bool)
    strange = Answered(np.full(40, 0.95), np.linspace(0, 1, 40))
    by_peak = fit_belief(Answered(best, np.full(100, 3.0)), right, strange)
    assert by_peak.score == 0.6
    assert by_peak.peak is not None
    assert by_peak.peak < 1
    alike = fit_belief(Answered(best, np.zeros(100)), right, strange)
    assert alike.peak is None
    assert alike.score == pytest.approx(0.95)


def test_the_confident_score_of_nothing_is_one() -> None:
    assert confident_score(np.zeros((0, 2)), np.zeros(0, np.int64)) == 1
    assert confident_score(two_classes(np.full(5, 0.9)), np.ones(5, np.int64)) == 1
    assert confident_score(two_classes(np.array([0.9, 0.8])), np.zeros(2, np.int64)) == 0.8
