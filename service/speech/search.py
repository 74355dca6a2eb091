"""Writing a window's text: greedy, beam search, or samples at a temperature, over one desk.

Beam search as in openai/whisper (`BeamSearchDecoder`, patience 1): each step keeps the likeliest unfinished
hypotheses; it ends once as many have finished as there are beams, and, unlike there, none that goes on is likelier.
The winner has the highest log-probability by length, the end's counted in the sum alone. A hypothesis that is
hopeless is not gone on with, nor beams of which the likeliest is: they differ by little. What the tokens mean is not
known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.speech.listener import Desk, Logits
from service.speech.rules import Rules

Choice = NDArray[np.int64]
"""A token for each row."""
ShouldStop = Callable[[], None]
"""Called before each step; raises where the work is wanted no more."""
IsHopeless = Callable[[Sequence[int]], bool]
"""Whether a text that has begun so will never be believed."""


def _never(_: Sequence[int]) -> bool:
    return False


_NO_TOKENS: NDArray[np.int64] = np.zeros(0, np.int64)
_NOTHING: Logits = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Hypothesis:
    """Tokens without the end, and the natural log-probability of them and of the end."""

    tokens: tuple[int, ...] = ()
    logprob: float = 0.0
    beside: tuple[Logits, ...] = field(default=(), compare=False)
    """At each token's place, and at the end's, log-probabilities of tokens that are watched; `Search` says which."""

    @property
    def mean_logprob(self) -> float:
        """By length, the end counted: what guards look at."""
        return self.logprob / (len(self.tokens) + 1)

    @property
    def merit(self) -> float:
        """By length, the end not counted: what the best of several is chosen by (`MaximumLikelihoodRanker`)."""
        return self.logprob / max(1, len(self.tokens))

    def followed_by(self, token: int, logprob: float, beside: Logits = _NOTHING) -> Hypothesis:
        """One token more."""
        return Hypothesis((*self.tokens, token), self.logprob + logprob, (*self.beside, beside))

    def ended(self, logprob: float, beside: Logits = _NOTHING) -> Hypothesis:
        """With the end behind it."""
        return Hypothesis(self.tokens, self.logprob + logprob, (*self.beside, beside))


@dataclass(frozen=True)
class _Scored:
    """What may follow each row: logits and scores `[rows, vocabulary]`, and the logits of what is watched."""

    logits: Logits
    scores: Logits
    seen: Logits

    def of(self, row: int, token: int) -> tuple[float, Logits]:
        """An allowed token's log-probability, and those of what is watched."""
        logprob = self.scores[row, token]
        return float(logprob), self.seen[row] + (logprob - self.logits[row, token])


@dataclass(frozen=True)
class Search:
    """How a window is written."""

    rules: Rules
    longest: int
    """Tokens after which writing stops."""
    should_stop: ShouldStop
    is_hopeless: IsHopeless = _never
    watched: NDArray[np.int64] = field(default_factory=lambda: _NO_TOKENS)
    """Tokens of which hypotheses keep the log-probabilities beside what was written; where times were preferred to
    all text, they are those before that, up to a constant."""

    def greedy(self, desk: Desk, logits: Logits) -> Hypothesis:
        """The likeliest token at each step; `logits` `[vocabulary]` are what the beginning left."""
        return self._write(desk, logits, 1, lambda scores: scores.argmax(axis=-1))

    def sample(self, desk: Desk, logits: Logits, rows: int, temperature: float, seed: int) -> Hypothesis:
        """The best of `rows` samples at a temperature above 0; the same seed gives the same samples."""
        noise = np.random.default_rng(seed)

        def choose(scores: Logits) -> Choice:
            # the highest of log p / T + Gumbel noise is a sample of softmax(log p / T)
            chosen: Choice = (scores / temperature + noise.gumbel(size=scores.shape)).argmax(axis=-1)
            return chosen

        return self._write(desk, logits, rows, choose)

    def _write(self, desk: Desk, logits: Logits, rows: int, choose: Callable[[Logits], Choice]) -> Hypothesis:
        """Rows that do not influence each other, until all have ended."""
        end = self.rules.specials.end
        live = [Hypothesis() for _ in range(rows)]
        finished: list[Hypothesis] = []
        given_up: list[Hypothesis] = []
        desk.keep([0] * rows)
        following = np.repeat(logits[None], rows, axis=0)
        for _ in range(self.longest):
            scored = self._scored(following, live)
            chosen = choose(scored.scores)
            finished += [live[row].ended(*scored.of(row, end)) for row, token in enumerate(chosen) if token == end]
            unfinished = [row for row, token in enumerate(chosen) if token != end]
            grown = {
                row: live[row].followed_by(int(chosen[row]), *scored.of(row, int(chosen[row]))) for row in unfinished
            }
            going_on = [row for row in unfinished if not self.is_hopeless(grown[row].tokens)]
            given_up += [grown[row] for row in unfinished if row not in going_on]
            live = [grown[row] for row in going_on]
            if not live:
                break
            self.should_stop()
            desk.keep(going_on)
            following = desk.step([each.tokens[-1] for each in live])
        return max(finished or live or given_up, key=lambda each: each.merit)

    def beam(self, desk: Desk, logits: Logits, width: int) -> Hypothesis:
        """The best of `width` beams."""
        live, finished = [Hypothesis()], list[Hypothesis]()
        following = logits[None].copy()
        for _ in range(self.longest):
            parents, live, ended = self._survivors(live, self._scored(following, live), width)
            finished = sorted([*finished, *ended], key=lambda each: -each.merit)[:width]
            if not live or self._is_decided(live, finished, width) or self.is_hopeless(live[0].tokens):
                break
            self.should_stop()
            desk.keep(parents)
            following = desk.step([each.tokens[-1] for each in live])
        return max(finished or live, key=lambda each: each.merit)

    @staticmethod
    def _is_decided(live: Sequence[Hypothesis], finished: Sequence[Hypothesis], width: int) -> bool:
        """Enough have finished, maybe one text that ends at several times, and none that goes on is likelier."""
        return len(finished) >= width and finished[0].merit >= max(each.merit for each in live)

    def _scored(self, logits: Logits, live: Sequence[Hypothesis]) -> _Scored:
        seen = logits[:, self.watched]  # before the rules write into them
        return _Scored(logits, self.rules.apply(logits, [each.tokens for each in live]), seen)

    def _survivors(
        self, live: Sequence[Hypothesis], scored: _Scored, width: int
    ) -> tuple[list[int], list[Hypothesis], list[Hypothesis]]:
        """The `width` likeliest that go on, with the rows they come from, and those likelier that have ended."""
        scores = scored.scores
        totals = scores + np.array([each.logprob for each in live], np.float32)[:, None]
        count = min(2 * width, totals.size - 1)
        vocabulary = scores.shape[-1]
        likely = np.argpartition(totals, totals.size - count, axis=None)[-count:]
        ordered = likely[np.argsort(-totals.reshape(-1)[likely], kind="stable")]
        parents: list[int] = []
        grown: list[Hypothesis] = []
        ended: list[Hypothesis] = []
        for place in ordered:
            row, token = divmod(int(place), vocabulary)
            if not np.isfinite(scores[row, token]) or len(grown) == width:
                break
            if token == self.rules.specials.end:
                ended.append(live[row].ended(*scored.of(row, token)))
            else:
                parents.append(row)
                grown.append(live[row].followed_by(token, *scored.of(row, token)))
        return parents, grown, ended
