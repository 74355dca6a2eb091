"""What calibrating is worth, measured on examples that it was not fitted on: a second part, or folds of the only one.

Fitting both temperature and beliefs on the examples that they are judged by would flatter them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.postprocess import Belief, peak
from training.calibration import (
    Answered,
    ClassIds,
    Logits,
    bound_reached,
    expected_calibration_error,
    fit_belief,
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
    kinds: ClassIds | None = None
    """Of the strange inputs `[m]`; those of one kind are judged by a fit that saw none of it."""
    groups: ClassIds | None = None
    """The group's number of each class `[classes]`, −1 where it has none; None where no class has one."""

    def taken(self, rows: NDArray[np.bool_], strange_rows: NDArray[np.bool_]) -> Examples:
        """Some of them."""
        kinds = None if self.kinds is None else self.kinds[strange_rows]
        return Examples(self.logits[rows], self.class_ids[rows], self.strange[strange_rows], kinds, self.groups)


@dataclass(frozen=True)
class Fit:
    """What is fitted on examples: by what to divide logits, and what to believe: of classes, and of groups."""

    temperature: float
    belief: Belief
    group_belief: Belief | None = None


@dataclass(frozen=True)
class Worth:
    """What a fit does to examples that it was not made on; fractions 0…1, and natural logarithms.

    `…_before` is at temperature 1. `confident_share` of the examples are believed; `confident_right` of those are
    right, and `strange_share` of the strange ones are believed: None where there are none. The same of the examples'
    best groups.
    """

    ece_before: float
    ece: float
    nll_before: float
    nll: float
    confident_share: float
    confident_right: float | None
    strange_share: float | None
    group_share: float | None = None
    group_right: float | None = None
    strange_group_share: float | None = None


def fit(examples: Examples) -> Fit:
    """Temperature and beliefs of these examples.

    Raises:
        ValueError: there are none.
    """
    temperature = fit_temperature(examples.logits, examples.class_ids)
    found, strange = _Seen(examples.logits, temperature), _Seen(examples.strange, temperature)
    belief = fit_belief(found.of_classes, found.is_right(examples.class_ids), strange.of_classes)
    if examples.groups is None:
        return Fit(temperature, belief)
    right = found.is_group_right(examples.class_ids, examples.groups)
    of_groups = fit_belief(found.of_groups(examples.groups), right, strange.of_groups(examples.groups))
    return Fit(temperature, belief, of_groups)


class _Seen:
    """What a model makes of some inputs at a temperature."""

    def __init__(self, logits: Logits, temperature: float) -> None:
        self.scores = probabilities(logits, temperature)
        self._peaks = peak(self.scores.astype(np.float32))  # as it is served

    @property
    def of_classes(self) -> Answered:
        """The best class of each."""
        return Answered(self.scores.max(axis=-1, initial=0.0), self._peaks)

    def is_right(self, class_ids: ClassIds) -> NDArray[np.bool_]:
        """Whether the best class is the true one."""
        return np.asarray(self.scores.argmax(axis=-1) == class_ids)

    def of_groups(self, groups: ClassIds) -> Answered:
        """The best group of each."""
        return Answered(self._summed(groups).max(axis=-1, initial=0.0), self._peaks)

    def is_group_right(self, class_ids: ClassIds, groups: ClassIds) -> NDArray[np.bool_]:
        """Whether the best group is that of the true class."""
        return np.asarray(self._summed(groups).argmax(axis=-1) == groups[class_ids])

    def _summed(self, groups: ClassIds) -> NDArray[np.float64]:
        summed = np.zeros((len(self.scores), int(groups.max()) + 1))
        for class_id in np.flatnonzero(groups >= 0).tolist():
            summed[:, groups[class_id]] += self.scores[:, class_id]
        return summed


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
    places = rng.permutation(len(examples.logits)) % folds
    kinds = np.arange(len(examples.strange)) if examples.kinds is None else examples.kinds
    strange_places = (rng.permutation(int(kinds.max(initial=-1)) + 1) % folds)[kinds]
    judged = []
    for fold in range(folds):
        rows, strange_rows = places == fold, strange_places == fold
        judged.append((fit(examples.taken(~rows, ~strange_rows)), examples.taken(rows, strange_rows)))
    return _worth(judged)


def _worth(judged: Sequence[tuple[Fit, Examples]]) -> Worth:
    class_ids = np.concatenate([each.class_ids for _, each in judged])
    before = np.concatenate([probabilities(each.logits) for _, each in judged])
    after = np.concatenate([probabilities(each.logits, made.temperature) for made, each in judged])
    own = np.arange(len(class_ids)), class_ids
    share, right, strange = _reached([_of_classes(made, each) for made, each in judged])
    figures = Worth(
        ece_before=expected_calibration_error(before, class_ids),
        ece=expected_calibration_error(after, class_ids),
        nll_before=float(-np.log(before[own]).mean()),
        nll=float(-np.log(after[own]).mean()),
        confident_share=share,
        confident_right=right,
        strange_share=strange,
    )
    of_groups = [_of_groups(made, each, made.group_belief) for made, each in judged if made.group_belief is not None]
    if not of_groups:
        return figures
    share, right, strange = _reached(of_groups)
    return replace(figures, group_share=share, group_right=right, strange_group_share=strange)


_Reached = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]
"""Which examples are believed, which are right, and which strange ones are believed."""


def _of_classes(made: Fit, others: Examples) -> _Reached:
    found, strange = (_Seen(each, made.temperature) for each in (others.logits, others.strange))
    return (
        found.of_classes.believed(made.belief),
        found.is_right(others.class_ids),
        strange.of_classes.believed(made.belief),
    )


def _of_groups(made: Fit, others: Examples, belief: Belief) -> _Reached:
    assert others.groups is not None  # noqa: S101 - a fit has a belief of groups where there are some
    found, strange = (_Seen(each, made.temperature) for each in (others.logits, others.strange))
    return (
        found.of_groups(others.groups).believed(belief),
        found.is_group_right(others.class_ids, others.groups),
        strange.of_groups(others.groups).believed(belief),
    )


def _reached(judged: Sequence[_Reached]) -> tuple[float, float | None, float | None]:
    """Shares of all folds together: of the examples, of what is right among them, of the strange ones."""
    believed, right, strange = (np.concatenate(each) for each in zip(*judged, strict=True))
    return (
        float(believed.mean()),
        float(right[believed].mean()) if believed.any() else None,
        float(strange.mean()) if len(strange) else None,
    )
