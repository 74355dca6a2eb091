"""What a speech recogniser is asked and what it answers, whichever kind of network does it.

`Recording` is a job's input, `Transcript` its output. The route builds the one and shows the other; Whisper and CTC
recognisers stand between. Nothing here decodes, recognises or knows the web.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Literal, Protocol

from service.roster import ServedModel
from service.speech.numerals import Numbers
from service.speech.text import ChineseScript

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True)
class Options:
    """What a client wants of a recording."""

    languages: tuple[str, ...] = ()
    """ISO-639-1 codes: none means any is detected, one is taken as given, several restrict the detection."""
    task: Task = "transcribe"
    """`translate` gives English text whatever is spoken."""
    prompt: str = ""
    """Text that is taken to stand before the recording: names, spelling, style."""
    temperature: float = 0.0
    """The first temperature tried, 0…1; hotter ones follow where a result looks broken."""
    beam_size: int | None = None
    """Hypotheses kept while decoding; None is the model's default, 1 is greedy."""
    script: ChineseScript = "simplified"
    """How Chinese text is written."""
    numbers: Numbers = "as-is"
    """How numbers are written: `digits` only where Chinese alone is spoken, `words` only by a generative model."""
    track: int | None = None
    """Number of the sound track, from 1; None is the first with speech."""
    has_timestamps: bool = True
    """Whether segments with times are wanted; False lets the model write without them."""


@dataclass(frozen=True)
class Recording:
    """One uploaded file and what is wanted of it; the file is seekable and belongs to the lane while it works."""

    file: IO[bytes]
    options: Options


@dataclass(frozen=True)
class Segment:
    """A stretch of text; times in seconds of the recording.

    `average_logprob` is the mean natural log-probability of its tokens, `compression_ratio` how much shorter zlib
    makes the text (high where it repeats itself), `no_speech_probability` the model's own doubt; 0…1.
    """

    start_s: float
    end_s: float
    text: str
    average_logprob: float
    no_speech_probability: float
    compression_ratio: float
    temperature: float


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording. A recording without speech has no segments and an empty text."""

    language: str | None
    """ISO-639-1 code; None where none was given and nothing was said."""
    language_probability: float
    """0…1; 1 where it was given, 0 where there is none."""
    text: str
    segments: tuple[Segment, ...]
    duration_s: float
    """Length of what could be decoded."""
    truncated: bool
    """The media ended early."""
    decode_s: float
    """Time spent on decoding the media and finding speech in it."""
    inference_s: float
    """Time spent in the recogniser."""
    tracks: int = 1
    """How many sound tracks the recording has."""


class Transcribes(Protocol):
    """Makes transcripts without a queue; the same that a model's lanes run."""

    def transcribe(self, recording: Recording) -> Transcript:
        """The whole recording's transcript."""
        ...


@dataclass(frozen=True, kw_only=True)
class SpeechModel(ServedModel):
    """A loaded speech recogniser; what it cannot do is refused before its queue is asked."""

    transcriber: Transcribes

    languages: tuple[str, ...] = ()
    """ISO-639-1 codes that it knows; a model of one language needs no detection."""
    tasks: tuple[Task, ...] = ("transcribe",)
    is_generative: bool = False
    """Whether it writes token by token: prompts, temperatures and beams mean something only to such a model."""
    beam_size: int = 1
    """Default of `Options.beam_size`."""
