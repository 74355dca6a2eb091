"""Does the exported graph compute what PyTorch computes? Asked before anything is published.

Each kind of input (golden, random, photos) is run at several batch sizes; the largest absolute difference of any
logit is what counts, in units of the largest logit where that is above 1. Logits, since a temperature below 1 would
blow rounding up, and a softmax that is sure of one class hides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Parity
from training.errors import ParityError

TOLERANCE = 1e-4
BATCHES = (1, 3, 8)

Batch = NDArray[Any]
Function = Callable[[Batch], NDArray[np.float32]]


def random_pixels(crop_px: int, count: int = BATCHES[-1], seed: int = 0) -> NDArray[np.uint8]:
    """Noise, uint8 `[count, crop_px, crop_px, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (count, crop_px, crop_px, 3), dtype=np.uint8)


def max_abs_diff(reference: Function, candidate: Function, inputs: Batch) -> float:
    """The largest difference over `BATCHES`, each batch made of `inputs` repeated as often as it takes.

    In units of the reference's largest value, where that is above 1.
    """
    worst = 0.0
    for size in BATCHES:
        batch = inputs[np.arange(size) % len(inputs)]
        found = candidate(batch)
        wanted = reference(batch)
        if found.shape != wanted.shape or not np.isfinite(found).all():
            return float("inf")
        worst = max(worst, float(np.abs(found - wanted).max()) / max(1.0, float(np.abs(wanted).max())))
    return worst


def check(
    reference: Function, candidate: Function, inputs: Mapping[str, Batch], tolerance: float = TOLERANCE
) -> Parity:
    """Compare on every kind of input.

    Raises:
        ParityError: some difference is above `tolerance`, a shape differs, or an output is not finite.
    """
    found = {kind: max_abs_diff(reference, candidate, batch) for kind, batch in inputs.items()}
    for kind, difference in found.items():
        if not difference <= tolerance:
            raise ParityError(
                f"the exported graph is {difference:.2g} away from PyTorch on {kind} inputs, more than the "
                f"{tolerance:g} allowed; nothing was published"
            )
    return Parity(max_abs_diff=found, tolerance=tolerance)
