"""Two classifiers on the same pictures: how much the second one loses, with an interval.

Only pictures on which the two differ tell them apart, and there may be few or none, so the interval is Tango's score
interval for a difference of paired proportions ("Equivalence test and confidence interval for the difference in
proportions for the paired-sample design", 1998), which needs no minimum. Several looks at one picture are no
independent pictures: their counts are divided by the design effect (Rao and Scott, "A simple method for the analysis
of clustered binary data", 1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

_LEVEL = 0.95
_LEAST_CORRELATION = 0.1
"""Between two looks at one picture. At photos by EfficientNet-Lite0 and Lite2 it was 0.08 and 0.01; where few looks
differ, what is measured is no better known than that."""
Rights = NDArray[np.bool_]


@dataclass(frozen=True)
class Loss:
    """What the second one loses; fractions 0…1 of all looks, below zero where it gains."""

    lost: int
    """Looks that the first is right on, and the second is not."""
    gained: int
    looks: int
    value: float
    low: float
    high: float
    """Ends of the interval; each is missed in one case of twenty."""


def loss(before: Rights, after: Rights) -> Loss:
    """Of the second, both `[pictures, looks]`: whether each look at each picture is taken for what it is.

    Raises:
        ValueError: the two did not look at the same pictures, or at none.
    """
    if before.shape != after.shape or before.ndim != 2 or not before.size:
        raise ValueError("a paired comparison needs the same pictures on both sides, and at least one")
    differences = before.astype(np.int64) - after
    lost, gained, looks = int((differences > 0).sum()), int((differences < 0).sum()), before.size
    effect = design_effect(differences)
    high = _upper(lost / effect, gained / effect, looks / effect)
    low = -_upper(gained / effect, lost / effect, looks / effect)
    return Loss(lost, gained, looks, (lost - gained) / looks, low, high)


def design_effect(differences: NDArray[np.int64]) -> float:
    """By how much the variance of the mean of `[pictures, looks]` exceeds that of as many independent pictures."""
    pictures, looks = differences.shape
    if looks == 1:
        return 1.0
    independent = differences.var() / differences.size
    of_pictures = differences.mean(axis=1).var() / pictures
    measured = of_pictures / independent if independent else 0.0
    return float(min(max(measured, 1 + (looks - 1) * _LEAST_CORRELATION), looks))


def _upper(lost: float, gained: float, count: float) -> float:
    """The largest difference that Tango's score test does not reject."""
    quantile = float(norm.ppf(_LEVEL))
    found = (lost - gained) / count
    if found >= 1:
        return 1.0
    return float(brentq(lambda limit: _score(lost, gained, count, limit) + quantile, found, 1 - 1e-12))


def _score(lost: float, gained: float, count: float, limit: float) -> float:
    """Standardised distance of what was found from a true difference of `limit`; 0 where it cannot vary."""
    two = 2 * count
    linear = -lost - gained + (two - lost + gained) * limit
    root = math.sqrt(max(0.0, linear**2 + 4 * two * gained * limit * (1 - limit)))
    only_gained = (root - linear) / (2 * two)
    variance = count * (2 * only_gained + limit * (1 - limit))
    distance = lost - gained - count * limit
    return distance / math.sqrt(variance) if variance > 0 else 0.0
