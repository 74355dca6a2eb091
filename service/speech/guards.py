"""When a reading is not believed: it repeats itself, it is improbable, or there was nothing to read.

Where no figure is explained it is that of openai/whisper, `transcribe.py`. People do repeat themselves, so what
repeats is held against the time that saying it takes; short texts, of which zlib knows nothing, are counted. Tokens,
searches and graphs are not known here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum

from service.speech.pace import syllables
from service.speech.repetition import Run, longest_run, spoken

_LEAST_COUNT, _LEAST_SYLLABLES = 4, 6  # "no no no" repeats nothing
_MOST_PER_S, _MARGIN_S = 7.0, 0.5  # syllables that a voice repeats at most; speech that its detector misses
_LONGEST_WORD = 2.5  # syllables: only single words are said again and again
_FREE, _SAID_PER_S = 3.0, (0.5, 3.0)  # syllables of a word that is said again and again


@dataclass(frozen=True)
class Guards:
    """When a result is not believed."""

    max_compression_ratio: float = 2.4
    min_mean_logprob: float = -1.0
    max_no_speech: float = 0.6
    min_doubt: float = 0.5
    max_silence: float = 0.3
    """Of both witnesses: hummed and sung tones begin at 0.35, what is read rightly and doubted ends at 0.24."""
    samples: int = 5
    """Hypotheses drawn at a temperature above 0."""

    def is_silence(self, no_speech: float, mean_logprob: float, voice_probability: float) -> bool:
        """Nothing was said: the recogniser hears no speech, and does not believe its text or the detector agrees."""
        if no_speech > self.max_no_speech and mean_logprob < self.min_mean_logprob:
            return True
        return no_speech > self.min_doubt and silence(no_speech, voice_probability) > self.max_silence


def silence(no_speech: float, voice_probability: float) -> float:
    """How probable it is that nothing was said, by recogniser and detector as two independent witnesses; 0…1."""
    nothing, something = no_speech * (1 - voice_probability), (1 - no_speech) * voice_probability
    return nothing / (nothing + something) if nothing else 0.0


class Repetition(IntEnum):
    """What a text's repetitions are; the higher, the less it is believed."""

    NONE = 0
    SAID = 1
    """A word, as often as it may well have been said in the time."""
    DOUBTFUL = 2
    LOOP = 3
    """More than the speech can hold."""


def repetition(text: str, speech_s: float) -> Repetition:
    """What a text repeats, held against the seconds of speech that it was read from."""
    said, run = _repeated(text)
    repeated = said[run.start : run.start + run.length] if run else ""
    is_compressible = compression_ratio(text) > Guards.max_compression_ratio
    if not (is_compressible or _is_much(run, said)):
        return Repetition.NONE
    if not _fits(said if is_compressible else repeated, speech_s):
        return Repetition.LOOP
    return Repetition.SAID if run and _may_be_said(run, said, speech_s) else Repetition.DOUBTFUL


def may_loop(text: str, speech_s: float) -> bool:
    """Whether a text is long enough to be a loop: a first look that costs little."""
    return not _fits(text, speech_s)


def before_repetition(text: str) -> int:
    """How many letters and digits stand before the second unit of the longest repetition; 0 where there is none."""
    _, run = _repeated(text)
    return run.start + run.period if run else 0


def compression_ratio(text: str) -> float:
    """How many times shorter zlib makes the UTF-8 text; 0 for none."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _repeated(text: str) -> tuple[str, Run | None]:
    said = spoken(text)
    return said, longest_run([ord(char) for char in said])


def _is_much(run: Run | None, said: str) -> bool:
    if run is None or run.times < _LEAST_COUNT or 2 * run.length < len(said):
        return False
    return syllables(said[run.start : run.start + run.length]) >= _LEAST_SYLLABLES


def _fits(text: str, speech_s: float) -> bool:
    return syllables(text) <= _MOST_PER_S * (speech_s + _MARGIN_S)


def _may_be_said(run: Run, said: str, speech_s: float) -> bool:
    least, most = _SAID_PER_S
    is_all = 4 * run.length >= 3 * len(said)
    is_word = syllables(said[run.start : run.start + run.period]) <= _LONGEST_WORD
    return is_all and is_word and least * speech_s <= syllables(said) <= _FREE + most * speech_s
