"""Calibrating is judged by examples that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from models.postprocess import Belief
from training.calibration import confident_score, negative_log_likelihood, probabilities
from training.cross_validation import Examples, Fit, cross_validated, fit, why_not, worth

CLASSES = 4


def examples(count: int, sharpness: float = 1.0, strange: int = 30, seed: int = 0) -> Examples:
    """Logits that are right as often as they say once they are divided by `sharpness`; strange ones say little."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, CLASSES)).astype(np.float32)
    class_ids = np.array([rng.choice(CLASSES, p=row) for row in probabilities(logits)], np.int64)
    unknown = rng.normal(0, 0.3, (strange, CLASSES)).astype(np.float32)
    return Examples(logits * np.float32(sharpness), class_ids, unknown * np.float32(sharpness))


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_fitting_undoes_too_much_and_too_little_belief(sharpness: float) -> None:
    found = cross_validated(examples(2000, sharpness))
    assert fit(examples(2000, sharpness)).temperature == pytest.approx(sharpness, rel=0.15)
    assert found.ece < 0.05 < found.ece_before
    assert found.nll < found.nll_before


def test_a_fit_is_judged_by_other_examples() -> None:
    made, others = Fit(2.0, Belief(0.6)), examples(200, seed=1)
    found = worth(made, others)
    scores = probabilities(others.logits, 2.0)
    reached = scores.max(1) >= 0.6
    right = scores.argmax(1) == others.class_ids
    assert found.nll == pytest.approx(negative_log_likelihood(others.logits, others.class_ids, 2.0))
    assert found.nll_before == pytest.approx(negative_log_likelihood(others.logits, others.class_ids, 1.0))
    assert found.confident_share == pytest.approx(reached.mean())
    assert found.confident_right == pytest.approx(right[reached].mean())
    assert found.strange_share == pytest.approx((probabilities(others.strange, 2.0).max(1) >= 0.6).mean())


def test_with_a_fold_for_each_example_it_is_judged_by_a_fit_of_all_others() -> None:
    some = examples(12, strange=12)
    losses = []
    for row in range(12):
        rest = np.arange(12) != row
        made = fit(some.taken(rest, np.ones(12, bool)))
        losses.append(negative_log_likelihood(some.logits[[row]], some.class_ids[[row]], made.temperature))
    assert cross_validated(some, folds=12).nll == pytest.approx(np.mean(losses))


def test_judging_by_what_was_fitted_on_flatters() -> None:
    some = examples(60, sharpness=2.0)
    assert cross_validated(some).nll > worth(fit(some), some).nll


def test_strange_ones_are_not_believed() -> None:
    some = examples(500)
    made = fit(some)
    scores = probabilities(some.logits, made.temperature)
    assert made.belief.score == confident_score(scores, some.class_ids), "these say little of themselves"
    eye = np.float32(8) * np.eye(CLASSES, dtype=np.float32)
    sure = Examples(some.logits, some.class_ids, np.tile(eye, (20, 1)))
    assert worth(fit(sure), sure).strange_share == 0
    assert worth(fit(sure), some).confident_share < worth(made, some).confident_share


def test_a_kind_of_strange_inputs_is_judged_by_a_fit_that_saw_none_of_it() -> None:
    """Each kind alone is not believed by a fit that has seen the others, but for one that none is like."""
    some = examples(400)
    eye = np.float32(9) * np.eye(CLASSES, dtype=np.float32)
    strange = np.concatenate([some.strange, np.tile(eye, (2, 1))])
    kinds = np.r_[np.arange(30) % 9, np.full(8, 9)]
    by_kind = cross_validated(Examples(some.logits, some.class_ids, strange, kinds))
    assert by_kind.strange_share == pytest.approx(8 / 38)
    assert worth(fit(Examples(some.logits, some.class_ids, strange, kinds)), some).strange_share == 0


def test_groups_have_a_belief_of_their_own() -> None:
    """Classes 0 and 1 are one word: which of them it is stays open, the word is certain."""
    rng = np.random.default_rng(5)
    class_ids = rng.integers(0, CLASSES, 600)
    logits = rng.normal(0, 0.5, (600, CLASSES)).astype(np.float32)
    pair = class_ids < 2
    logits[np.arange(600), class_ids] += np.float32(5)
    logits[pair, 1 - class_ids[pair]] += np.float32(5)
    some = Examples(logits, class_ids, logits[:0], None, np.array([0, 0, 1, 2]))
    found = cross_validated(some)
    assert found.group_share is not None
    assert found.group_share > 0.95
    assert found.confident_share < 0.7
    assert found.group_right is not None
    assert found.group_right > 0.95
    belief = fit(some).group_belief
    assert belief is not None
    by_hand = probabilities(logits, fit(some).temperature)
    reached = np.maximum(by_hand[:, 0] + by_hand[:, 1], by_hand[:, 2:].max(1)) >= belief.score
    assert worth(fit(some), some).group_share == pytest.approx(reached.mean())
    without = Examples(logits, class_ids, logits[:0])
    assert (fit(without).group_belief, cross_validated(without).group_share) == (None, None)


def test_where_nothing_is_believed_there_is_no_share_of_it() -> None:
    found = worth(Fit(1.0, Belief(1.0)), examples(20, strange=0))
    assert (found.confident_share, found.confident_right, found.strange_share) == (0.0, None, None)


def test_fewer_examples_than_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="5 folds"):
        cross_validated(examples(4))


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_a_temperature_that_helps_is_used(sharpness: float) -> None:
    some = examples(300, sharpness)
    assert why_not(some.logits, some.class_ids, "pictures") == ""


def test_too_few_examples_give_no_temperature() -> None:
    some = examples(300, 3.0)
    assert why_not(some.logits[:49], some.class_ids[:49], "pictures").startswith("49 pictures are too few")
    assert why_not(some.logits[:50], some.class_ids[:50], "pictures") == ""
    assert why_not(some.logits[:0], some.class_ids[:0], "pictures").startswith("0 pictures are too few")


@pytest.mark.parametrize(("logits", "bound"), [(4.0, "0.05"), (-4.0, "20")])
def test_a_temperature_that_runs_to_its_bound_is_not_used(logits: float, bound: str) -> None:
    """Always right, or always wrong: the more, or the less it believes itself the better."""
    words = why_not(
        np.float32(logits) * np.eye(CLASSES, dtype=np.float32)[np.arange(145) % CLASSES],
        np.arange(145) % CLASSES,
        "validation pictures",
    )
    assert words.endswith(f"the search ran to its bound of {bound}")
    assert f"145 validation pictures, of which {145 if logits > 0 else 0} are right" in words


def test_a_temperature_that_makes_others_less_likely_is_not_used() -> None:
    """One error in 145: the folds without it would believe everything, and be punished by it without measure."""
    class_ids = np.arange(145) % CLASSES
    logits = 4 * np.eye(CLASSES, dtype=np.float32)[class_ids]
    logits[7] = np.roll(logits[7], 1)
    words = why_not(logits, class_ids, "validation pictures")
    assert "not fitted on less likely" in words
    found = cross_validated(Examples(logits, class_ids, logits[:0]))
    assert found.nll > found.nll_before
