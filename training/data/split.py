"""Dividing examples into parts without leaks: what belongs together (one content, one speaker) stays together.

Every class is divided by the same fraction as nearly as its groups allow: a group that would overshoot by more than
is missing stays where it is. The same seed divides the same way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def grouped_split(
    groups: Sequence[Hashable], classes: Sequence[Hashable], fraction: float, seed: int
) -> tuple[Indices, Indices]:
    """Indices of what is kept and of what is held out, both in order.

    Args:
        groups: what each example belongs to; a group is never divided.
        classes: the class of each example, or the same for all.
        fraction: how much to hold out, 0…1.
        seed: decides which groups.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    wanted = {each: fraction * count for each, count in Counter(classes).items()}
    held: list[int] = []
    order = np.random.default_rng(seed).permutation(len(members))
    names = list(members)
    for place in order:
        indices = members[names[place]]
        counts = Counter(classes[index] for index in indices)
        if all(count <= 2 * wanted[each] for each, count in counts.items()):
            held += indices
            for each, count in counts.items():
                wanted[each] -= count
    if not held:
        held = _smallest([members[names[place]] for place in order], classes, wanted)
    chosen = np.zeros(len(groups), bool)
    chosen[held] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _smallest(groups: list[list[int]], classes: Sequence[Hashable], wanted: Mapping[Hashable, float]) -> list[int]:
    """A part that is too large is better than none, if each of its classes wants one and others stay."""
    asked = [each for each in groups if all(2 * wanted[classes[index]] >= 1 for index in each)]
    return min(asked, key=len) if asked and len(groups) > 1 else []


def first_of_each_class(classes: Sequence[int], count: int, seed: int) -> Indices:
    """Indices of `count` examples of each class, drawn at random, in order."""
    order = np.random.default_rng(seed).permutation(len(classes))
    taken: Counter[int] = Counter()
    kept = []
    for index in order.tolist():
        if taken[classes[index]] < count:
            taken[classes[index]] += 1
            kept.append(index)
    return np.array(sorted(kept), np.int64)
