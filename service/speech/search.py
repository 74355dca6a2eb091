"""Writing a window's text: greedy, beam search, or samples at a temperature, over one desk.

Beam search as in openai/whisper (`BeamSearchDecoder`, patience 1): each step keeps the likeliest unfinished
hypotheses; it ends once as many have finished as there are beams. The winner has the highest mean log-probability by
length. A hypothesis that is hopeless is not gone on with, nor beams of which the likeliest is: they differ by little.
What the tokens mean is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Hypothesis:
    """Tokens without the end, and the natural log-probability of them and of the end."""

    tokens: tuple[int, ...] = ()
    logprob: float = 0.0

    @property
    def mean_logprob(self) -> float:
        """By length, the end counted."""
        return self.logprob / (len(self.tokens) + 1)

    def followed_by(self, token: int, logprob: float) -> Hypothesis:
        """One token more."""
        return Hypothesis((*self.tokens, token), self.logprob + logprob)


@dataclass(frozen=True)
class Search:
    """How a window is written."""

    rules: Rules
    longest: int
    """Tokens after which writing stops."""
    should_stop: ShouldStop
    is_hopeless: IsHopeless = _never

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
            scores = self.rules.apply(following, [each.tokens for each in live])
            chosen = choose(scores)
            grown = [each.followed_by(int(t), float(s[t])) for each, t, s in zip(live, chosen, scores, strict=True)]
            finished += [Hypothesis(each.tokens[:-1], each.logprob) for each in grown if each.tokens[-1] == end]
            unfinished = [row for row, each in enumerate(grown) if each.tokens[-1] != end]
            going_on = [row for row in unfinished if not self.is_hopeless(grown[row].tokens)]
            given_up += [grown[row] for row in unfinished if row not in going_on]
            live = [grown[row] for row in going_on]
            if not live:
                break
            self.should_stop()
            desk.keep(going_on)
            following = desk.step([each.tokens[-1] for each in live])
        return max(finished or live or given_up, key=lambda each: each.mean_logprob)

    def beam(self, desk: Desk, logits: Logits, width: int) -> Hypothesis:
        """The best of `width` beams."""
        live, finished = [Hypothesis()], list[Hypothesis]()
        following = logits[None].copy()
        for _ in range(self.longest):
            scores = self.rules.apply(following, [each.tokens for each in live])
            parents, live, ended = self._survivors(live, scores, width)
            finished = sorted([*finished, *ended], key=lambda each: -each.mean_logprob)[:width]
            if len(finished) >= width or not live or self.is_hopeless(live[0].tokens):
                break
            self.should_stop()
            desk.keep(parents)
            following = desk.step([each.tokens[-1] for each in live])
        return max(finished or live, key=lambda each: each.mean_logprob)

    def _survivors(
        self, live: Sequence[Hypothesis], scores: Logits, width: int
    ) -> tuple[list[int], list[Hypothesis], list[Hypothesis]]:
        """The `width` likeliest that go on, with the rows they come from, and those likelier that have ended."""
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
            logprob = float(scores[row, token])
            if not np.isfinite(logprob) or len(grown) == width:
                break
            if token == self.rules.specials.end:
                ended.append(Hypothesis(live[row].tokens, live[row].logprob + logprob))
            else:
                parents.append(row)
                grown.append(live[row].followed_by(token, logprob))
        return parents, grown, ended
