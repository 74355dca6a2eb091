"""How a model uses this machine: lanes × threads × batch, with the reason in words.

What is known without measuring: the processors that this process may use (its affinity and its cgroup's quota, not
the host's count). For photos on a CPU, decoding and running in one lane thread at batch 1 beat separate pools and
batching, so there is one lane a processor with runs one thread wide.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_SPEECH_LANES = 2
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Plan:
    """The choice for one model, and why."""

    lanes: int
    threads: int
    max_batch: int
    reason: str

    def as_dict(self) -> dict[str, int | str]:
        """For `/models`."""
        return asdict(self)


def usable_processors(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Processors that this process may really use: affinity, cut to the cgroup's quota (cgroup v2), at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text("ascii").split()
        return max(1, min(affinity, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup, or "max": no quota
        return affinity


def plan_speech(processors: int, lanes: int | None, threads: int | None) -> Plan:
    """The plan of a speech model on the CPU: two lanes, so that a long recording keeps no short one waiting, both as
    wide as the machine; where both work, they share it."""
    why = "set by the operator" if lanes or threads else f"{_SPEECH_LANES} lanes that share {processors} processors"
    return Plan(lanes or _SPEECH_LANES, threads or processors, 1, f"{why}, one recording at a time each; runs on cpu")


def plan_images(processors: int, provider: str, lanes: int | None, threads: int | None) -> Plan:
    """The plan of an image model; `lanes` and `threads` are the operator's wishes."""
    chosen_threads = threads or 1
    chosen_lanes = lanes or max(1, processors // chosen_threads)
    why = "set by the operator" if lanes or threads else f"{processors} processors, one lane each, at batch 1"
    return Plan(chosen_lanes, chosen_threads, 1, f"{why}; runs on {provider}")
