"""Are scores probabilities? Temperature scaling, expected calibration error, and from which score on to believe.

Sources: Guo et al., "On calibration of modern neural networks" (2017), for temperature and error in equal bins. The
temperature is fitted on held-out examples and lies inside the exported graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.postprocess import Belief

BINS = 15
_COOLEST, _HOTTEST = 0.05, 20.0
_AS_LIKELY = 1e-6
_WANTED_PRECISION = 0.95
_STRANGE_SHARE = 0.95
"""Of the strange inputs is not believed."""
_WORTH_A_PEAK = 0.8
"""A peak must let through this share of the examples that a higher score does."""
Logits = NDArray[np.float32]
Probabilities = NDArray[np.float64]
ClassIds = NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """Examples whose best score lies in one interval: the scores' mean, the fraction that is right, their number."""

    score: float
    accuracy: float
    count: int


def probabilities(logits: Logits, temperature: float = 1.0) -> Probabilities:
    """Softmax of `[n, classes]` at a temperature."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    powers = np.exp(scaled)
    result: Probabilities = powers / powers.sum(axis=-1, keepdims=True)
    return result


def negative_log_likelihood(logits: Logits, class_ids: ClassIds, temperature: float) -> float:
    """Mean of −ln p of the right class."""
    scaled = logits.astype(np.float64) / temperature
    highest = scaled.max(axis=-1)
    total = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=-1))
    return float((total - scaled[np.arange(len(class_ids)), class_ids]).mean())


def fit_temperature(logits: Logits, class_ids: ClassIds) -> float:
    """The temperature under which the right classes are likeliest; convex in its inverse.

    Raises:
        ValueError: there are no examples.
    """
    if not len(class_ids):
        raise ValueError("a temperature is fitted on examples")
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(logits, class_ids, float(np.exp(log_t))),
        bounds=(np.log(_COOLEST), np.log(_HOTTEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def bound_reached(logits: Logits, class_ids: ClassIds, temperature: float) -> float | None:
    """The bound of the search at which the examples are as likely as at the temperature that was found, if any.

    Then no temperature is best: where everything is right, the likelihood rises all the way down.
    """
    best = negative_log_likelihood(logits, class_ids, temperature)
    for bound in (_COOLEST, _HOTTEST):
        if negative_log_likelihood(logits, class_ids, bound) <= best + _AS_LIKELY:
            return bound
    return None


def reliability(scores: Probabilities, class_ids: ClassIds, bins: int = BINS) -> list[Bin]:
    """The best score of each example against how often it is right, in equal intervals; empty ones are left out."""
    return _binned(scores.max(axis=-1), scores.argmax(axis=-1) == class_ids, bins)


def _binned(best: Probabilities, right: NDArray[np.bool_], bins: int) -> list[Bin]:
    places = np.minimum((best * bins).astype(np.int64), bins - 1)
    return [
        Bin(float(best[places == place].mean()), float(right[places == place].mean()), int((places == place).sum()))
        for place in range(bins)
        if (places == place).any()
    ]


def expected_calibration_error(scores: Probabilities, class_ids: ClassIds, bins: int = BINS) -> float:
    """Mean distance of score and accuracy over the intervals, by their examples; 0…1."""
    return calibration_error(scores.max(axis=-1), scores.argmax(axis=-1) == class_ids, bins)


def calibration_error(best: Probabilities, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """The same of the examples' best scores `[n]`, and whether each is right."""
    found = _binned(best, right, bins)
    total = sum(each.count for each in found)
    return sum(each.count * abs(each.score - each.accuracy) for each in found) / total


def confident_score(scores: Probabilities, class_ids: ClassIds) -> float:
    """The lowest best score of `[n, classes]` from which on 95 of 100 examples are right; 1 where none will do."""
    return lowest_score(scores.max(axis=-1), scores.argmax(axis=-1) == class_ids)


def lowest_score(best: Probabilities, right: NDArray[np.bool_]) -> float:
    """The same of the examples' best scores `[n]`, and whether each is right."""
    order = np.argsort(-best, kind="stable")
    falling = best[order]
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(falling[1:] < falling[:-1], True)  # equal scores are believed together
    enough = np.flatnonzero((share >= _WANTED_PRECISION) & is_last)
    return float(falling[enough[-1]]) if len(enough) else 1.0


@dataclass(frozen=True)
class Answered:
    """The best score of each example, and the peak of all its scores (`models.postprocess.peak`), both `[n]`."""

    best: Probabilities
    peaks: Probabilities

    def believed(self, belief: Belief) -> NDArray[np.bool_]:
        """Which of them are to be believed."""
        reached = self.best >= belief.score
        return reached if belief.peak is None else reached & (self.peaks >= belief.peak)


def fit_belief(found: Answered, right: NDArray[np.bool_], strange: Answered) -> Belief:
    """From when on 95 of 100 examples are right, so that 95 of 100 strange ones are not believed.

    The latter by a peak, which keeps out other kinds of strange inputs better too (training/LOG.md, 2026-11-27), or
    by a higher score where a peak would cost many of the examples, as with few classes.
    """
    score = lowest_score(found.best, right)
    if not len(strange.best):
        return Belief(score)
    raised = Belief(min(1.0, max(score, _above_most(strange.best))))
    reaching = np.where(strange.best >= score, strange.peaks, 0.0)
    peaked = Belief(score, _above_most(reaching))
    by_score, by_peak = (int(found.believed(each).sum()) for each in (raised, peaked))
    return peaked if by_peak >= _WORTH_A_PEAK * by_score else raised


def _above_most(values: Probabilities) -> float:
    below = math.ceil(_STRANGE_SHARE * len(values))
    return float(np.nextafter(np.sort(values)[below - 1], np.inf))
