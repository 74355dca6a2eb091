"""Where a run stands: everything that its checkpoint and its history say of the way so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Where a run stands: plain data, all of it in the checkpoint."""

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    right: float = 0.0
    count: int = 0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    """One row an epoch: losses, figures, rate, seconds."""
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, loss, rate."""
    looks: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rate: float = 0.0
    """Of the last step."""
    best_score: tuple[float, ...] = (-math.inf,)
    best_epoch: int = -1
    is_finished: bool = False
    ended: str = ""
    """Why it ended, in words."""
