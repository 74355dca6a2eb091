"""What calibrating is worth, measured on examples that it was not fitted on: a second part, or folds of the only one.

Fitting both temperature and confident score on the examples that they are judged by would flatter them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.calibration import (
    ClassIds,
    Logits,
    bound_reached,
    confident_score,
    expected_calibration_error,
    fit_temperature,
    probabilities,
)

FOLDS = 5
MIN_EXAMPLES = 50
_SEED = 20261126


@dataclass(frozen=True)
class Examples:
    """Logits float32 `[n, classes]` with the true class ids int64 `[n]`, and logits `[m, classes]` of strange inputs.

    Strange ones are unlike anything that the model knows, and have no class.
    """

    logits: Logits
    class_ids: ClassIds
    strange: Logits

    def taken(self, rows: NDArray[np.bool_], strange_rows: NDArray[np.bool_]) -> Examples:
        """Some of them."""
        return Examples(self.logits[rows], self.class_ids[rows], self.strange[strange_rows])


@dataclass(frozen=True)
class Fit:
    """What is fitted on examples: by what to divide logits, and from which best score on to believe."""

    temperature: float
    confident_score: float


@dataclass(frozen=True)
class Worth:
    """What a fit does to examples that it was not made on; fractions 0…1, and natural logarithms.

    `…_before` is at temperature 1. `confident_share` of the examples reach the confident score; `confident_right` of
    those are right, and `strange_share` of the strange ones reach it: None where there are none.
    """

    ece_before: float
    ece: float
    nll_before: float
    nll: float
    confident_share: float
    confident_right: float | None
    strange_share: float | None


def fit(examples: Examples) -> Fit:
    """Temperature and confident score of these examples.

    Raises:
        ValueError: there are none.
    """
    temperature = fit_temperature(examples.logits, examples.class_ids)
    strange = probabilities(examples.strange, temperature)
    scores = probabilities(examples.logits, temperature)
    return Fit(temperature, confident_score(scores, examples.class_ids, strange))


def why_not(logits: Logits, class_ids: ClassIds, what: str) -> str:
    """Why no calibration is made on these examples, in words; empty where one may be made.

    There are too few, the temperature has no best value, or it does not help examples that it was not fitted on.
    `what` is what the examples are called ("validation pictures").
    """
    if len(class_ids) < MIN_EXAMPLES:
        return f"{len(class_ids)} {what} are too few to calibrate on: at least {MIN_EXAMPLES} are needed"
    bound = bound_reached(logits, class_ids, fit_temperature(logits, class_ids))
    if bound is not None:
        right = int((logits.argmax(axis=-1) == class_ids).sum())
        return (
            f"no temperature is best on {len(class_ids)} {what}, of which {right} are right: the search ran to its "
            f"bound of {bound:g}"
        )
    found = cross_validated(Examples(logits, class_ids, logits[:0]))
    if found.nll >= found.nll_before:
        return (
            f"a temperature makes {what} that it was not fitted on less likely (mean negative log-likelihood "
            f"{found.nll:.4f} with it, {found.nll_before:.4f} without)"
        )
    return ""


def worth(made: Fit, others: Examples) -> Worth:
    """What a fit does to examples that it was not made on."""
    return _worth([(made, others)])


def cross_validated(examples: Examples, folds: int = FOLDS) -> Worth:
    """What fitting does to examples that are not fitted on: each fold by a fit of the other folds, all in one figure.

    Raises:
        ValueError: fewer examples than folds.
    """
    if len(examples.class_ids) < folds:
        raise ValueError(f"{folds} folds need as many examples")
    rng = np.random.default_rng(_SEED)
    places, strange_places = (rng.permutation(len(each)) % folds for each in (examples.logits, examples.strange))
    judged = []
    for fold in range(folds):
        rows, strange_rows = places == fold, strange_places == fold
        judged.append((fit(examples.taken(~rows, ~strange_rows)), examples.taken(rows, strange_rows)))
    return _worth(judged)


def _worth(judged: Sequence[tuple[Fit, Examples]]) -> Worth:
    class_ids = np.concatenate([each.class_ids for _, each in judged])
    before = np.concatenate([probabilities(each.logits) for _, each in judged])
    after = np.concatenate([probabilities(each.logits, made.temperature) for made, each in judged])
    believed = np.concatenate([_is_believed(made, each.logits) for made, each in judged])
    strange = np.concatenate([_is_believed(made, each.strange) for made, each in judged])
    right = after.argmax(axis=-1) == class_ids
    own = np.arange(len(class_ids)), class_ids
    return Worth(
        ece_before=expected_calibration_error(before, class_ids),
        ece=expected_calibration_error(after, class_ids),
        nll_before=float(-np.log(before[own]).mean()),
        nll=float(-np.log(after[own]).mean()),
        confident_share=float(believed.mean()),
        confident_right=float(right[believed].mean()) if believed.any() else None,
        strange_share=float(strange.mean()) if len(strange) else None,
    )


def _is_believed(made: Fit, logits: Logits) -> NDArray[np.bool_]:
    best: NDArray[np.bool_] = probabilities(logits, made.temperature).max(axis=-1) >= made.confident_score
    return best
