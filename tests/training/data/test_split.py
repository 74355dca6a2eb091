"""A division leaks nothing, comes as near to its fraction as groups allow, and is the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.split import first_of_each_class, grouped_split

EXAMPLES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=60)
FRACTIONS = st.floats(0, 0.9)
SEEDS = st.integers(0, 1000)


@given(EXAMPLES, FRACTIONS, SEEDS)
def test_no_group_is_on_both_sides_and_nothing_is_lost(
    examples: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    groups, classes = [each[0] for each in examples], [each[1] for each in examples]
    kept, held = grouped_split(groups, classes, fraction, seed)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(len(examples)))
    assert not {groups[i] for i in kept} & {groups[i] for i in held}
    again = grouped_split(groups, classes, fraction, seed)
    assert (again[0].tolist(), again[1].tolist()) == (kept.tolist(), held.tolist())


@given(st.lists(st.integers(0, 4), max_size=80), FRACTIONS, SEEDS)
def test_every_class_gives_its_fraction_where_groups_are_single(
    classes: list[int], fraction: float, seed: int
) -> None:
    _, held = grouped_split(list(range(len(classes))), classes, fraction, seed)
    given_up = Counter(classes[index] for index in held)
    for each, count in Counter(classes).items():
        assert abs(given_up[each] - fraction * count) <= 0.5 + 1e-9


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.floats(0.05, 0.5), SEEDS)
def test_a_large_group_is_held_out_only_where_nothing_smaller_will_do(
    sizes: list[int], fraction: float, seed: int
) -> None:
    groups = [name for name, size in enumerate(sizes) for _ in range(size)]
    kept, held = grouped_split(groups, [""] * len(groups), fraction, seed)
    wanted = fraction * len(groups)
    smallest = min(sizes)
    # a group overshoots by no more than was missing; where all of them would, the smallest has to do
    assert len(held) <= max(2 * wanted, smallest)
    assert len(kept) > 0
    assert len(held) > 0 or 2 * wanted < 1


def test_one_speaker_of_most_recordings_stays_in_training() -> None:
    speakers = ["much"] * 90 + ["some"] * 5 + ["few"] * 5
    for seed in range(10):
        _, held = grouped_split(speakers, [""] * 100, 0.1, seed)
        assert {speakers[index] for index in held} <= {"some", "few"}
        assert len(held) > 0


def test_seeds_divide_differently() -> None:
    everything = list(range(50))
    found = {tuple(grouped_split(everything, [0] * 50, 0.2, seed)[1].tolist()) for seed in range(5)}
    assert len(found) == 5


def test_a_class_that_is_too_small_gives_nothing() -> None:
    kept, held = grouped_split(list(range(20)), [index // 2 for index in range(20)], 0.2, 1)
    assert (len(kept), len(held)) == (20, 0)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5), SEEDS)
def test_so_many_of_each_class(classes: list[int], count: int, seed: int) -> None:
    kept = first_of_each_class(classes, count, seed)
    assert kept.tolist() == sorted(set(kept.tolist()))
    found, all_of = Counter(np.array(classes)[kept].tolist() if classes else []), Counter(classes)
    assert found == {each: min(count, all_of[each]) for each in all_of}
