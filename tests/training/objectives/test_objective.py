"""Random numbers depend on what they are for and on nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.objectives.objective import generator, shuffled


@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
def test_a_generator_repeats_by_its_key(key: list[int]) -> None:
    assert generator(*key).random() == generator(*key).random()
    assert generator(*key).random() != generator(*key, 1).random()


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 60))
def test_an_order_has_every_example_once(seed: int, epoch: int, count: int) -> None:
    order = shuffled(seed, epoch, count)
    assert sorted(order) == list(range(count))
    assert shuffled(seed, epoch, count) == order


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    assert len({tuple(shuffled(seed, epoch, 20)) for seed in range(4) for epoch in range(4)}) == 16
