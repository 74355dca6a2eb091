"""Is a smaller variant as often right as the full one? The interval of what it loses must lie within what it may.

One point, and no luck: at a true loss of one point or more, a variant passes in at most one case of twenty. Where
there are few pictures, several looks at each give the interval its width (`training.data.looks`); where these are too
few as well, nothing is shown, and the variant does not pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.manifest import Gate, Metric
from training.error_rate import Edits, loss_interval, total
from training.evaluate import Accuracy, Answers
from training.paired import Loss, loss

ALLOWED_LOSS = 0.01
_DIGITS = 5


def judge(reference: Answers, candidate: Answers, data: str, looks: int) -> Gate:
    """The verdict on a variant, both asked about the same pictures, `looks` times each in a row."""
    before, after = (each.is_right.reshape(-1, looks) for each in (reference, candidate))
    found = loss(before, after)
    return Gate(
        metric="top1",
        data=data,
        count=len(before),
        reference=float(before[:, 0].mean()),
        candidate=float(after[:, 0].mean()),
        margin=ALLOWED_LOSS,
        is_passed=is_within(found),
        **interval_of(found),
    )


def judge_clips(
    metric: str, data: str, reference: Sequence[Edits], candidate: Sequence[Edits], allowed: float = ALLOWED_LOSS
) -> Gate:
    """The verdict on a variant of a recogniser, by the errors of both in the same recordings."""
    before, after = total(reference), total(candidate)
    low, high = loss_interval(reference, candidate)
    return Gate(
        metric=metric,
        data=data,
        count=len(reference),
        reference=round(before.rate, 4),
        candidate=round(after.rate, 4),
        margin=allowed,
        is_passed=high <= allowed,
        loss=round(after.rate - before.rate, _DIGITS),
        loss_low=round(low, _DIGITS),
        loss_high=round(high, _DIGITS),
    )


def is_within(found: Loss) -> bool:
    """Whether even the upper end of the interval is allowed."""
    return found.high <= ALLOWED_LOSS


def interval_of(found: Loss) -> dict[str, float | int]:
    """As a manifest states it."""
    return {
        "loss": round(found.value, _DIGITS),
        "loss_low": round(found.low, _DIGITS),
        "loss_high": round(found.high, _DIGITS),
        "looks": found.looks,
        "lost": found.lost,
        "gained": found.gained,
    }


def why_withheld(gate: Gate | None) -> str:
    """Why a variant with this verdict is not published, in words; empty where it passed, or nothing was asked."""
    if gate is None or gate.is_passed:
        return ""
    if gate.loss is None or gate.loss_low is None or gate.loss_high is None:
        return (
            f"int8 loses too much: {gate.metric} {gate.candidate:.3f}, and {gate.reference:.3f} in fp32 ({gate.data})"
        )
    found = f"{100 * gate.loss:.2f} points of {gate.metric} on {gate.count} items of {gate.data}"
    reach = f"its interval reaches {100 * gate.loss_high:.2f}, and {100 * gate.margin:g} is allowed"
    more = "" if gate.loss_low > gate.margin else "; more held-out examples would narrow it"
    return f"int8 loses {found}; {reach}{more}"


def figures(found: Accuracy, data: str, variant: str, note: str = "") -> tuple[Metric, ...]:
    """Top-1 and top-5 as a manifest states them."""
    return tuple(
        Metric(metric=metric, value=value, data=data, count=found.count, variant=variant, note=note)
        for metric, value in (("top1", found.top1), ("top5", found.top5))
    )
