"""Searches over a chain small enough to enumerate: greedy follows the best, a beam finds what greedy misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import ClientGone
from service.speech.rules import Rules
from service.speech.search import Hypothesis, IsHopeless, Search
from service.speech.tokenizer import Specials
from tests.service.speech.chain import ChainDesk
from tests.whispers import SPECIALS

END, START = SPECIALS["<|endoftext|>"], SPECIALS["<|startoftranscript|>"]
SIZE = 256 + len(SPECIALS)
Table = Mapping[int, Mapping[int, float]]

# Greedy takes 10 (0.6), behind which nothing is certain; 20 (0.4) leads surely to the end.
TRAP: Table = {
    START: {10: 0.6, 20: 0.4},
    10: {11: 0.4, 12: 0.3, END: 0.3},
    11: {END: 1.0},
    12: {END: 1.0},
    20: {END: 1.0},
}


def never() -> None:
    pass


def search(longest: int = 12, is_hopeless: IsHopeless = lambda _: False) -> Search:
    rules = Rules(Specials.of(SPECIALS), (), (), has_timestamps=False)
    return Search(rules, longest, never, is_hopeless)


def begun(table: Table) -> tuple[ChainDesk, np.ndarray]:
    desk = ChainDesk(table, SIZE)
    return desk, desk.begin([START])


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    desk, logits = begun(TRAP)
    found = search().greedy(desk, logits)
    assert found.tokens == (10, 11)
    assert found.logprob == pytest.approx(np.log(0.6 * 0.4))


def test_a_beam_finds_what_greedy_misses() -> None:
    desk, logits = begun({**TRAP, 20: {21: 1.0}, 21: {END: 1.0}})
    assert search().greedy(desk, logits).tokens == (10, 11)
    desk, logits = begun({**TRAP, 20: {21: 1.0}, 21: {END: 1.0}})
    found = search().beam(desk, logits, 2)
    assert found.tokens == (20, 21)
    assert found.mean_logprob == pytest.approx(np.log(0.4) / 3)


def test_a_beam_does_not_end_while_a_longer_text_is_likelier() -> None:
    """A sentence may end at either of two times, which fills the beam; that the next one follows is as likely."""
    table: Table = {
        START: {10: 1.0},
        10: {11: 0.3, 12: 0.3, 13: 0.4},
        11: {END: 1.0},
        12: {END: 1.0},
        13: {14: 1.0},
        14: {15: 0.9, END: 0.1},
        15: {END: 1.0},
    }
    desk, logits = begun(table)
    found = search().beam(desk, logits, 2)
    assert found.tokens == (10, 13, 14, 15)
    assert desk.steps == 4  # and no step more


@pytest.mark.parametrize("width", [1, 3])
def test_what_is_watched_is_known_at_every_place(width: int) -> None:
    desk, logits = begun(TRAP)
    watching = replace(search(), watched=np.array([20, 12, END]))
    for found in (watching.beam(desk, logits, width), watching.greedy(desk, desk.begin([START]))):
        places = [START, *found.tokens]
        assert len(found.beside) == len(places)
        for last, beside in zip(places, found.beside, strict=True):
            expected = [TRAP[last].get(token, 0.0) for token in (20, 12, END)]
            np.testing.assert_allclose(np.exp(beside), expected, atol=1e-6)


def test_what_is_watched_is_known_where_times_are_preferred_too() -> None:
    """Up to a constant: the rules forbid what is watched there, and the ratios stay."""
    first = SPECIALS["<|0.00|>"]
    table: Table = {
        START: {first: 1.0},
        first: {10: 1.0},
        10: {first + 5: 0.7, 20: 0.2, 21: 0.1},
        first + 5: {END: 1.0},
    }
    desk, logits = begun(table)
    rules = Rules(Specials.of(SPECIALS), (), (), has_timestamps=True)
    for width in (1, 2):
        found = Search(rules, 12, never, watched=np.array([20, 21])).beam(desk, desk.begin([START]), width)
        assert found.tokens == (first, 10, first + 5)
        assert np.exp(found.beside[2][0] - found.beside[2][1]) == pytest.approx(2.0)
    assert logits.shape == (SIZE,)


def test_the_end_counts_in_the_sum_and_not_in_the_length() -> None:
    """As in openai/whisper: by length with the end, one token of 0.4 would be worth more than two of 0.55 each."""
    assert (
        Hypothesis((1,), float(np.log(0.4))).mean_logprob
        > Hypothesis((1, 2), float(np.log(0.55 * 0.45))).mean_logprob
    )
    assert Hypothesis((1,), float(np.log(0.4))).merit < Hypothesis((1, 2), float(np.log(0.55 * 0.45))).merit
    table: Table = {
        START: {10: 0.45, 20: 0.55},
        10: {END: 0.9, 11: 0.1},
        11: {END: 1.0},
        20: {21: 0.45, END: 0.55},
        21: {END: 1.0},
    }
    desk, logits = begun(table)
    assert search().beam(desk, logits, 4).tokens == (20, 21)


def every_text(table: Table, token: int = START, sofar: Hypothesis = Hypothesis()) -> Iterator[Hypothesis]:  # noqa: B008 - frozen
    for following, probability in table.get(token, {}).items():
        if following == END:
            yield Hypothesis(sofar.tokens, sofar.logprob + float(np.log(probability)))
        else:
            yield from every_text(table, following, sofar.followed_by(following, float(np.log(probability))))


weights = st.lists(st.integers(1, 50), min_size=3, max_size=3)


@settings(deadline=None, max_examples=60)
@given(st.lists(weights, min_size=13, max_size=13))
def test_a_wide_beam_finds_the_best_of_all(drawn: list[list[int]]) -> None:
    """A tree of depth 3 with branches 1 and 2 at each node, each of which may end; 14 texts, 16 beams."""
    table: dict[int, dict[int, float]] = {}
    nodes = [(START, 1)]
    for total in drawn:
        if not nodes:
            break
        node, depth = nodes.pop(0)
        children = [len(table) * 2 + 10, len(table) * 2 + 11] if depth < 4 else []
        shares = dict(zip([END, *children], total, strict=False))
        table[node] = {token: share / sum(shares.values()) for token, share in shares.items()}
        nodes += [(child, depth + 1) for child in children]
    for node, _ in nodes:
        table[node] = {END: 1.0}
    desk, logits = begun(table)
    found = search().beam(desk, logits, 16)
    best = max(every_text(table), key=lambda each: each.merit)
    # A beam stops once as many have ended as it is wide; with all texts inside, the best is among them.
    assert found.merit == pytest.approx(best.merit, abs=1e-5)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_writing_that_never_ends_is_cut(width: int) -> None:
    endless: Table = {START: {10: 1.0}, 10: {10: 0.7, 11: 0.3}, 11: {10: 1.0}}
    desk, logits = begun(endless)
    assert len(search(longest=9).beam(desk, logits, width).tokens) == 9
    desk, logits = begun(endless)
    assert len(search(longest=9).greedy(desk, logits).tokens) == 9


def test_samples_repeat_with_their_seed_and_follow_the_temperature() -> None:
    def first(temperature: float, seed: int) -> tuple[int, ...]:
        desk, logits = begun(TRAP)
        return search().sample(desk, logits, 1, temperature, seed).tokens

    assert [first(1.0, seed) for seed in range(20)] == [first(1.0, seed) for seed in range(20)]
    hot = [first(1.0, seed) == (20,) for seed in range(400)]
    assert 0.3 < np.mean(hot) < 0.5  # 0.4
    cold = [first(0.2, seed) == (20,) for seed in range(400)]
    assert 0.05 < np.mean(cold) < 0.2  # 0.4^5 / (0.4^5 + 0.6^5) = 0.116


def test_the_best_of_several_samples_is_kept() -> None:
    desk, logits = begun(TRAP)
    assert search().sample(desk, logits, 30, 1.0, 0).tokens == (10, 11)


def test_each_step_asks_whether_to_stop() -> None:
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise ClientGone("enough")

    endless: Table = {START: {10: 1.0}, 10: {10: 1.0}}
    rules = Rules(Specials.of(SPECIALS), (), (), has_timestamps=False)
    for width in (1, 3):
        asked = 0
        desk, logits = begun(endless)
        with pytest.raises(ClientGone):
            Search(rules, 100, stop).beam(desk, logits, width)
        assert desk.steps == 2


def test_rows_follow_their_parents() -> None:
    """The desk's own rows must be the hypotheses that are scored, whatever was dropped and reordered."""

    class Checked(ChainDesk):
        def step(self, tokens):  # type: ignore[no-untyped-def]  # as in the parent
            logits = super().step(tokens)
            for row in self.rows:
                assert all(following in TRAP[token] for token, following in pairwise(row))
            return logits

    desk = Checked(TRAP, SIZE)
    search().beam(desk, desk.begin([START]), 3)
    assert desk.steps


ENDLESS: Table = {START: {10: 0.6, 20: 0.4}, 10: {10: 1.0}, 20: {20: 0.9, END: 0.1}}


def test_what_is_hopeless_is_not_gone_on_with() -> None:
    desk, logits = begun(ENDLESS)
    found = search(200, lambda tokens: len(tokens) >= 5).greedy(desk, logits)
    assert found.tokens == (10,) * 5
    assert desk.steps == 4


def test_beams_end_where_the_likeliest_is_hopeless_and_what_has_ended_stays() -> None:
    desk, logits = begun(ENDLESS)
    found = search(200, lambda tokens: len(tokens) >= 5).beam(desk, logits, 2)
    assert found.tokens == (10,) * 5
    desk, logits = begun({**ENDLESS, 20: {END: 1.0}})
    assert search(200, lambda tokens: len(tokens) >= 5).beam(desk, logits, 2).tokens == (20,)


def test_samples_go_on_without_the_hopeless_ones() -> None:
    desk, logits = begun({START: {10: 0.5, 20: 0.5}, 10: {10: 1.0}, 20: {END: 1.0}})
    found = search(200, lambda tokens: len(tokens) >= 5).sample(desk, logits, 5, 1.0, 0)
    assert found.tokens == (20,)
    assert desk.steps == 4
