"""Whisper's way through one window: language, text, doubts, segments.

Source: openai/whisper, `transcribe.py`: a result that repeats itself or that the model does not believe is tried
again at a higher temperature; a window that sounds empty and reads improbable gives nothing. Unlike there, a loop is
not written to its end, trying again has a budget, and where nothing is believed a loop is cut. It knows neither files
nor how windows were found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.sound_files.resample import Samples
from service.speech.guards import Guards, Repetition, before_repetition, compression_ratio, may_loop, repetition
from service.speech.listener import Desk, Logits
from service.speech.model import Task
from service.speech.punctuation import Marks, Punctuated
from service.speech.repetition import spoken
from service.speech.rules import Rules, log_softmax
from service.speech.search import Hypothesis, Search, ShouldStop
from service.speech.tokenizer import Tokenizer

_TEMPERATURE_STEP = 0.2
_MAX_PREVIOUS_HEAT = 0.5  # text that was found at a higher temperature is not leant on
_RETRY_STEPS, _RETRY_STEPS_PER_S = 32, 16  # of all hotter tries together: people speak 2.5 to 5 tokens a second
_LOOKS = 16  # tokens from one look for a loop to the next


@dataclass(frozen=True)
class Decoding:
    """What an artifact says of its model's text: ids that are not written, and lengths in tokens."""

    suppressed: tuple[int, ...]
    suppressed_first: tuple[int, ...]
    positions: int = 448
    """Beginning and text together."""
    longest: int = 224
    """Text of one window."""
    previous: int = 223
    """Context that is taken from the text before."""
    punctuated: Punctuated = field(default_factory=Punctuated)


@dataclass(frozen=True)
class Wish:
    """How one window is to be written."""

    language: str
    task: Task
    beam_size: int
    temperature: float
    has_timestamps: bool
    previous: tuple[int, ...]
    """Tokens of the text that stands before."""
    speech_s: float
    """Seconds of the window that were heard as speech."""
    may_divide: bool
    """Whether its parts may be read instead, where it is not read well."""
    voice_probability: float = 1.0
    """How sure the voice detector was of that speech."""
    has_digits: bool = True
    """Whether digits and percent signs may be written; without them numbers are words."""


@dataclass(frozen=True)
class Passage:
    """Text between two times, in seconds of the window."""

    start_s: float
    end_s: float
    tokens: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Reading:
    """What was made of one window."""

    hypothesis: Hypothesis
    text: str
    temperature: float
    no_speech: float
    compression_ratio: float
    repetition: Repetition
    voice_probability: float = 1.0
    marked: tuple[int, ...] = ()
    """What is shown of a reading that was chosen: its tokens, with marks where its language gets some."""

    @property
    def is_circling(self) -> bool:
        """Whether it repeats what may not have been repeated."""
        return self.repetition > Repetition.SAID

    @property
    def is_leant_on(self) -> bool:
        """Whether the next window may take this text as its context."""
        return self.temperature <= _MAX_PREVIOUS_HEAT and not self.is_circling


class Whisper:
    """Reads windows at one lane's desk."""

    def __init__(
        self, desk: Desk, tokenizer: Tokenizer, decoding: Decoding, guards: Guards, should_stop: ShouldStop
    ) -> None:
        self._desk = desk
        self._tokenizer = tokenizer
        self._decoding = decoding
        self._guards = guards
        self._should_stop = should_stop
        self._steps = 0
        self._marks = Marks(tokenizer, decoding.punctuated.min_probability)

    def listen(self, samples: Samples) -> None:
        """Take a window, float32 `[n]` at 16 kHz, at most 30 s."""
        self._should_stop()
        self._desk.listen(samples)

    def language(self, allowed: Sequence[str]) -> tuple[str, float]:
        """The likeliest language of the window among `allowed` (all, if none are named), and its probability 0…1.

        The probability is among all languages, so a list that leaves the right one out gives a low figure.
        """
        ids = self._tokenizer.specials.languages
        logits = self._desk.begin([self._tokenizer.specials.start])
        codes = list(ids)
        probabilities = np.exp(log_softmax(logits[[ids[code] for code in codes]]))
        by_code: Mapping[str, float] = dict(zip(codes, probabilities.tolist(), strict=True))
        chosen = max(allowed or codes, key=by_code.__getitem__)
        return chosen, by_code[chosen]

    def read(self, wish: Wish) -> Reading:
        """Write the window's text, hotter and hotter until it is believed or enough was tried; loops are cut.

        What goes round in circles is handed back without further tries where the window may be divided.
        """
        reading = self._chosen(wish)
        return replace(reading, marked=self._marked(reading.hypothesis, wish))

    def _chosen(self, wish: Wish) -> Reading:
        readings = [self._attempt(wish, wish.temperature, 0)]
        if readings[0].is_circling and wish.may_divide:
            return self._best(readings)
        most_steps = self._steps + _RETRY_STEPS + round(_RETRY_STEPS_PER_S * wish.speech_s)
        while not self._is_believed(readings[-1]):
            # What loops sits in a groove that the next temperature does not leave either.
            steps_up = 2 if readings[-1].repetition is Repetition.LOOP else 1
            hotter = round(readings[-1].temperature + steps_up * _TEMPERATURE_STEP, 1)
            if hotter > 1 or self._steps >= most_steps:
                return self._best(readings)
            readings.append(self._attempt(wish, hotter, len(readings)))
        return readings[-1]

    def _best(self, readings: Sequence[Reading]) -> Reading:
        """Of readings that none is believed the one that repeats itself least, and then the likeliest."""
        best = min(readings, key=lambda each: (each.repetition, -each.hypothesis.mean_logprob))
        return self._cut(best) if best.repetition is Repetition.LOOP else best

    def _cut(self, reading: Reading) -> Reading:
        """The reading up to its loop, whose unit stands there once."""
        kept, tokens, count = before_repetition(reading.text), reading.hypothesis.tokens, 0
        while len(spoken(self._tokenizer.decode(tokens[:count]))) < kept:
            count += 1
        text = self._tokenizer.decode(tokens[:count])
        logprob, beside = reading.hypothesis.mean_logprob * (count + 1), reading.hypothesis.beside[: count + 1]
        hypothesis = Hypothesis(tokens[:count], logprob, beside)
        return replace(reading, hypothesis=hypothesis, text=text, compression_ratio=compression_ratio(text))

    def _is_believed(self, reading: Reading) -> bool:
        if self.is_silence(reading):
            return True
        return reading.hypothesis.mean_logprob >= self._guards.min_mean_logprob and not reading.is_circling

    def is_silence(self, reading: Reading) -> bool:
        """The model hears no speech, and does not believe what it wrote or has the voice detector on its side."""
        return self._guards.is_silence(reading.no_speech, reading.hypothesis.mean_logprob, reading.voice_probability)

    def _attempt(self, wish: Wish, temperature: float, seed: int) -> Reading:
        self._should_stop()
        no_speech, logits, beginning = self._begin(wish)
        search = self._search(wish, beginning)
        if temperature > 0:
            hypothesis = search.sample(self._desk, logits, self._guards.samples, temperature, seed)
        elif wish.beam_size > 1:
            hypothesis = search.beam(self._desk, logits, wish.beam_size)
        else:
            hypothesis = search.greedy(self._desk, logits)
        text = self._tokenizer.decode(hypothesis.tokens)
        return Reading(
            hypothesis,
            text,
            temperature,
            no_speech,
            compression_ratio(text),
            repetition(text, wish.speech_s),
            wish.voice_probability,
        )

    def _marked(self, hypothesis: Hypothesis, wish: Wish) -> tuple[int, ...]:
        if not self._is_punctuated(wish):
            return hypothesis.tokens
        return self._marks.added(hypothesis.tokens, hypothesis.beside)

    def _is_punctuated(self, wish: Wish) -> bool:
        return wish.language in self._decoding.punctuated.languages and wish.task == "transcribe"

    def _has_times(self, wish: Wish) -> bool:
        """Whether times are written; where marks are added they are what tells pauses."""
        return wish.has_timestamps or self._is_punctuated(wish)

    def _begin(self, wish: Wish) -> tuple[float, Logits, int]:
        """Read the beginning: the model's doubt that there is speech, what may follow, and the tokens read.

        The doubt is asked for without the text before: behind a context it reaches 0.84 over clear speech.
        """
        specials = self._tokenizer.specials
        no_speech = float(np.exp(log_softmax(self._desk.begin([specials.start]))[specials.no_speech]))
        task = specials.transcribe if wish.task == "transcribe" else specials.translate
        orders = [specials.languages[wish.language], task]
        if not self._has_times(wish):
            orders.append(specials.no_timestamps)
        if not wish.previous:
            return no_speech, self._desk.go_on(orders), 1 + len(orders)
        context = wish.previous[-self._decoding.previous :]
        beginning = [specials.previous, *context, specials.start, *orders]
        return no_speech, self._desk.begin(beginning), len(beginning)

    def _search(self, wish: Wish, beginning: int) -> Search:
        decoding = self._decoding
        rules = Rules(
            self._tokenizer.specials,
            (*decoding.suppressed, *self._tokenizer.words_of_control()),
            decoding.suppressed_first,
            self._has_times(wish),
            None if wish.has_digits else self._tokenizer.numbers,
        )
        longest = min(decoding.longest, decoding.positions - beginning)
        search = Search(rules, longest, self._count_step, lambda tokens: self._is_hopeless(tokens, wish.speech_s))
        return replace(search, watched=self._marks.ids) if self._is_punctuated(wish) else search

    def _count_step(self) -> None:
        self._steps += 1
        self._should_stop()

    def _is_hopeless(self, tokens: Sequence[int], speech_s: float) -> bool:
        """Whether a text has begun to go round for longer than the speech."""
        if len(tokens) % _LOOKS:
            return False
        text = self._tokenizer.decode(tokens)
        return may_loop(text, speech_s) and repetition(text, speech_s) is Repetition.LOOP

    def passages(self, tokens: Sequence[int], duration_s: float) -> Iterator[Passage]:
        """The text between times; text that no time ends goes on to the window's end."""
        begin_s, held = 0.0, list[int]()
        for token in tokens:
            at_s = self._tokenizer.seconds(token)
            if at_s is None:
                held.append(token)
                continue
            if held:
                yield self._passage(begin_s, min(at_s, duration_s), held)
                held = []
            begin_s = min(at_s, duration_s)
        if held:
            yield self._passage(begin_s, duration_s, held)

    def _passage(self, start_s: float, end_s: float, tokens: Sequence[int]) -> Passage:
        return Passage(start_s, max(start_s, end_s), tuple(tokens), self._tokenizer.decode(tokens).strip())

    def reached_s(self, tokens: Sequence[int]) -> tuple[float | None, bool]:
        """The last time that was written, None where none was; and whether a beginning without text stands there."""
        times = [self._tokenizer.seconds(token) for token in tokens[-2:]]
        if not times or times[-1] is None:
            return None, False
        if len(times) == 2 and times[0] is not None:
            return times[0], True
        return times[-1], False
