"""Is a smaller variant as often right as the full one? It may lose one picture of those measured, or one in 200."""

from __future__ import annotations

from models.manifest import Gate, Metric
from training.evaluate import Accuracy

_ALLOWED_LOSS = 1 / 200


def judge(reference: Accuracy, candidate: Accuracy, data: str) -> Gate:
    """The verdict on a variant, both measured on the same pictures."""
    allowed = max(1, int(_ALLOWED_LOSS * reference.count))
    return Gate(
        metric="top1",
        data=data,
        count=reference.count,
        reference=reference.top1,
        candidate=candidate.top1,
        margin=allowed / reference.count,
        is_passed=candidate.top1_count >= reference.top1_count - allowed,
    )


def figures(found: Accuracy, data: str, variant: str, note: str = "") -> tuple[Metric, ...]:
    """Top-1 and top-5 as a manifest states them."""
    return tuple(
        Metric(metric=metric, value=value, data=data, count=found.count, variant=variant, note=note)
        for metric, value in (("top1", found.top1), ("top5", found.top5))
    )
