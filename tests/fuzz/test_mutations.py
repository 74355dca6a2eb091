"""Damage is what it says, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz import framing, media
from tests.fuzz.mutations import DAMAGES, Damage, mutated

DATA, OTHERS = bytes(range(256)) * 20, (b"other" * 500, b"x")


@pytest.mark.parametrize("damage", dict.fromkeys(DAMAGES), ids=lambda each: each.__name__)
def test_each_damage_changes_a_file_nearly_always(damage: Damage) -> None:
    changed = 0
    for seed in range(50):
        data = bytearray(DATA)
        damage(data, np.random.default_rng(seed), OTHERS)
        changed += data != DATA
    assert changed > 40


@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_the_same_seed_is_the_same_damage(data: bytes) -> None:
    for seed in range(200):
        first, second = (mutated(data, np.random.default_rng(seed), OTHERS) for _ in range(2))
        assert first == second


@pytest.mark.parametrize("route", media.ROUTES)
def test_cases_differ_and_come_from_every_format(route: str) -> None:
    count = len(media.seeds(route))
    cases = {media.case(route, 1, number) for number in range(3 * count)}
    assert len(cases) > 2.5 * count
    assert media.case(route, 1, 5) == media.case(route, 1, 5)
    assert media.case(route, 1, 5) != media.case(route, 2, 5)


def test_an_attack_is_the_same_in_other_pieces_or_not_at_all() -> None:
    for number in range(5 * len(framing.KINDS)):
        pieces = framing.case(1, number)
        assert all(pieces)
        assert pieces == framing.case(1, number)
