"""Whatever the logits, what the rules let through is text with times in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.speech.rules import Rules, log_softmax
from service.speech.tokenizer import Specials
from tests.whispers import SPECIALS

SPECIAL = Specials.of(SPECIALS)
SIZE = 256 + len(SPECIALS)
FIRST = SPECIAL.first_timestamp
CONTROL = tuple(range(257, FIRST))


def rules(*, has_timestamps: bool = True) -> Rules:
    return Rules(SPECIAL, (1, 2, *CONTROL), (32, SPECIAL.end), has_timestamps)


def allowed(tokens: list[int], logits: np.ndarray | None = None, *, has_timestamps: bool = True) -> set[int]:
    row = np.zeros((1, SIZE), np.float32) if logits is None else logits[None].copy()
    return set(np.flatnonzero(np.isfinite(rules(has_timestamps=has_timestamps).apply(row, [tokens])[0])).tolist())


def peaked(*ids: int) -> np.ndarray:
    """Logits under which text is far likelier than times, so that times are not forced."""
    logits = np.full(SIZE, -20.0, np.float32)
    logits[list(ids)] = 20.0
    return logits


def test_a_text_begins_with_a_time_within_the_first_second() -> None:
    assert allowed([]) == set(range(FIRST, FIRST + 51))


def test_text_follows_the_first_time() -> None:
    got = allowed([FIRST], peaked(70))
    assert got == set(range(257)) - {1, 2}


def test_behind_text_comes_text_or_a_later_time() -> None:
    got = allowed([FIRST + 10, 70], peaked(70))
    assert set(range(FIRST + 11, SIZE)) <= got
    assert not got & set(range(FIRST, FIRST + 11))


def test_behind_an_end_comes_the_next_beginning_or_the_end_of_all() -> None:
    got = allowed([FIRST, 70, FIRST + 40], peaked(SPECIAL.end))
    assert got == {SPECIAL.end, *range(FIRST + 40, SIZE)}


def test_behind_a_pair_comes_text() -> None:
    got = allowed([FIRST, 70, FIRST + 40, FIRST + 40], peaked(70))
    assert got == set(range(257)) - {1, 2}


def test_a_time_is_written_as_soon_as_times_together_are_likelier() -> None:
    logits = np.zeros(SIZE, np.float32)
    logits[70] = 3.0  # the likeliest single token, but 1,500 times weigh more
    assert min(allowed([FIRST, 71], logits)) > FIRST


@st.composite
def begun(draw: st.DrawFn) -> list[int]:
    """Tokens that the rules may have let through: nothing, a time, text, an end, a pair, text behind it."""
    tokens = [FIRST + draw(st.integers(0, 50))]
    letter = st.integers(3, 255)
    for _ in range(draw(st.integers(0, 3))):
        later = draw(st.integers(tokens[-1] - FIRST, tokens[-1] - FIRST + 300))
        tokens += [*draw(st.lists(letter, min_size=1, max_size=3)), FIRST + later + 1, FIRST + later + 2]
    return tokens[: draw(st.integers(0, len(tokens)))]


def reference(logits: np.ndarray, tokens: list[int]) -> np.ndarray:
    """As openai/whisper has it: every filter works on logits, and log-softmax comes behind the last of them."""
    kept = logits.astype(np.float64)
    kept[[1, 2, *CONTROL]] = -np.inf
    if not tokens:
        kept[[32, SPECIAL.end]] = kept[:FIRST] = kept[FIRST + 51 :] = -np.inf
    elif tokens[-1] >= FIRST and (len(tokens) == 1 or tokens[-2] >= FIRST):
        kept[FIRST:] = -np.inf
    elif tokens[-1] >= FIRST:
        kept[: SPECIAL.end] = kept[FIRST : tokens[-1]] = -np.inf
    else:
        kept[FIRST : max(token for token in tokens if token >= FIRST) + 1] = -np.inf
    scores = kept - np.logaddexp.reduce(kept)
    if np.logaddexp.reduce(scores[FIRST:]) > scores[:FIRST].max():
        kept[:FIRST] = -np.inf
    result: np.ndarray = kept - np.logaddexp.reduce(kept)
    return result


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.lists(begun(), min_size=1, max_size=4), st.sampled_from([0.0, 2.0, 5.0]))
def test_scores_are_those_of_the_reference(seed: int, written: list[list[int]], favour: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 4, (len(written), SIZE)).astype(np.float32)
    logits[:, :FIRST] += favour  # without it times nearly always come first
    expected = np.stack([reference(row, tokens) for row, tokens in zip(logits, written, strict=True)])
    got = rules().apply(logits, written)
    assert (np.isfinite(got) == np.isfinite(expected)).all()
    np.testing.assert_allclose(got[np.isfinite(got)], expected[np.isfinite(expected)], atol=1e-4)
    np.testing.assert_allclose(np.exp(got).sum(axis=-1), 1.0, rtol=1e-4)


@pytest.mark.parametrize("has_timestamps", [True, False])
def test_where_times_are_preferred_their_scores_sum_to_one(*, has_timestamps: bool) -> None:
    logits = np.zeros((1, SIZE), np.float32)  # 1,500 times weigh more than any letter
    scores = rules(has_timestamps=has_timestamps).apply(logits, [[FIRST, 71] if has_timestamps else [71]])[0]
    assert np.isfinite(scores[FIRST:]).any() == has_timestamps
    assert np.exp(scores).sum() == pytest.approx(1.0, abs=1e-4)


def test_without_times_there_are_none() -> None:
    assert allowed([], has_timestamps=False) == set(range(257)) - {1, 2, 32, SPECIAL.end}
    assert allowed([70], has_timestamps=False) == set(range(257)) - {1, 2}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_whatever_is_written_is_in_order(seed: int, length: int) -> None:
    noise = np.random.default_rng(seed)
    tokens: list[int] = []
    for _ in range(length):
        scores = rules().apply(noise.normal(0, 4, (1, SIZE)).astype(np.float32), [tokens])[0]
        assert np.isfinite(scores).any()
        token = int(np.argmax(scores + noise.gumbel(size=SIZE)))
        if token == SPECIAL.end:
            break
        tokens.append(token)
    times = [token for token in tokens if token >= FIRST]
    assert times == sorted(times)
    assert tokens[0] >= FIRST
    assert not set(tokens) & {1, 2, *CONTROL}
    texts = [token < FIRST for token in tokens]
    assert not any(texts[i] and tokens[i - 1] >= FIRST and i >= 2 and texts[i - 2] for i in range(2, len(tokens)))


@pytest.mark.parametrize("shape", [(3,), (2, 5)])
def test_log_softmax_sums_to_one(shape: tuple[int, ...]) -> None:
    logits = np.random.default_rng(0).normal(0, 10, shape).astype(np.float32)
    logits[..., 0] = -np.inf
    np.testing.assert_allclose(np.exp(log_softmax(logits)).sum(axis=-1), 1.0, rtol=1e-5)


def test_rows_do_not_touch_each_other() -> None:
    rows = np.zeros((2, SIZE), np.float32)
    scores = rules().apply(rows, [[], [FIRST, 70, FIRST + 40]])
    assert set(np.flatnonzero(np.isfinite(scores[0]))) == set(range(FIRST, FIRST + 51))
    assert set(np.flatnonzero(np.isfinite(scores[1]))) <= {SPECIAL.end, *range(FIRST + 40, SIZE)}
