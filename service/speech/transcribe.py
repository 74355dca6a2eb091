"""A recording with Whisper: each window is read to its end, and what was read becomes segments of the recording.

Nothing is lost at the edges: what lies behind the place where the model stopped is read again, and passages with far
too little text are divided. It does not know media, the web, queues or graphs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.admission import Clock
from service.runner import Runner
from service.speech import coverage
from service.speech.decode import AudioLimits, Decoded
from service.speech.guards import Guards
from service.speech.listener import Desk, Listener
from service.speech.model import Options, Segment, Transcript
from service.speech.numerals import to_digits
from service.speech.pace import SLOWEST, syllables
from service.speech.segment import Window
from service.speech.text import CHINESE, join, to_script, widen_punctuation
from service.speech.tokenizer import Tokenizer
from service.speech.transcriber import Session, StopIfUnwanted, Transcriber
from service.speech.whisper import Decoding, Passage, Reading, Whisper, Wish

_MAX_BEAM = 5
_MAX_DIVISIONS, _MIN_DIVIDED_S = 2, 4.0  # halvings; seconds of speech below which there is nothing to halve


class WhisperTranscriber(Transcriber):
    """Transcribes recordings with Whisper; each lane has its own desk."""

    def __init__(  # noqa: PLR0913 - the parts that a transcript is made with
        self,
        listener: Listener,
        voice: Runner,
        tokenizer: Tokenizer,
        decoding: Decoding,
        *,
        beam_size: int,
        limits: AudioLimits,
        timeout_per_audio_s: float,
        clock: Clock,
    ) -> None:
        super().__init__(voice, limits, timeout_per_audio_s, clock)
        self._listener = listener
        self._tokenizer = tokenizer
        self._decoding = decoding
        self._beam_size = beam_size
        self._lane = threading.local()

    def session(self, options: Options, stop_if_unwanted: StopIfUnwanted) -> Session:
        """Begin a recording at the lane's desk."""
        whisper = Whisper(self._desk(), self._tokenizer, self._decoding, Guards(), stop_if_unwanted)
        previous = tuple(self._tokenizer.encode(f" {options.prompt.strip()}")) if options.prompt else ()
        return _WhisperSession(whisper, options, self._beam_size, previous)

    def _desk(self) -> Desk:
        """The lane's own desk, made when the lane first works."""
        desk: Desk | None = getattr(self._lane, "desk", None)
        if desk is None:
            desk = self._lane.desk = self._listener.desk(_MAX_BEAM)
        return desk


@dataclass
class _WhisperSession:
    """One recording on its way."""

    whisper: Whisper
    options: Options
    beam_size: int
    previous: tuple[int, ...]
    """Tokens of the text that stands before: the prompt at first, then what was taken into the transcript."""
    language: str = ""
    language_probability: float = 1.0
    segments: list[Segment] = field(default_factory=list)

    def read(self, window: Window) -> None:
        """Read a window to its end."""
        self._read_window(window)

    def _read_window(self, window: Window, divisions: int = 0) -> None:
        """Read a window, and what lies behind the place where the model stopped, until nothing is left."""
        while window.samples.size:
            reading = self._read(window, may_divide=self._may_divide(window, divisions))
            is_empty = self.whisper.is_silence(reading) or not reading.text.strip()
            if is_empty and not reading.is_circling:
                return
            passages = tuple(self.whisper.passages(reading.hypothesis.tokens, window.duration_s))
            if self._is_replaced(reading, passages, window, divisions) or is_empty:
                return
            self._add(reading, window, divisions)
            following = coverage.rest(passages, self.whisper.reached_s(reading.hypothesis.tokens), window)
            if following is None:
                return
            window = following

    def _may_divide(self, window: Window, divisions: int) -> bool:
        return divisions < _MAX_DIVISIONS and window.speech_s >= _MIN_DIVIDED_S

    def _is_replaced(self, reading: Reading, passages: Sequence[Passage], window: Window, divisions: int) -> bool:
        """Read both parts in place of a reading that is doubtful, or that leaves out what its parts may say."""
        is_doubtful = reading.is_circling or coverage.is_sparse(passages, window)
        if is_doubtful and self._may_divide(window, divisions):
            return self._read_parts(window, divisions, 0.0)
        if divisions < _MAX_DIVISIONS and coverage.passes_over(passages, window):
            return self._read_parts(window, divisions, syllables(reading.text) + SLOWEST * coverage.UNREAD_S)
        return False

    def _read_parts(self, window: Window, divisions: int, least: float) -> bool:
        """Read both parts in place of the whole, where they say more syllables than that; False leaves no trace."""
        before = len(self.segments), self.previous, self.language, self.language_probability
        for part in window.divided():
            self._read_window(part, divisions + 1)
        if sum(syllables(segment.text) for segment in self.segments[before[0] :]) > least:
            return True
        count, self.previous, self.language, self.language_probability = before
        del self.segments[count:]
        return False

    def _read(self, window: Window, *, may_divide: bool) -> Reading:
        self.whisper.listen(window.samples)
        if not self.segments:  # a language that was found where nothing was said is no finding
            self._choose_language()
        return self.whisper.read(self._wish(window, may_divide=may_divide))

    def _choose_language(self) -> None:
        allowed = self.options.languages
        if len(allowed) == 1:
            self.language = allowed[0]
        else:
            self.language, self.language_probability = self.whisper.language(allowed)

    def _wish(self, window: Window, *, may_divide: bool) -> Wish:
        options = self.options
        return Wish(
            language=self.language,
            task=options.task,
            beam_size=options.beam_size or self.beam_size,
            temperature=options.temperature,
            has_timestamps=options.has_timestamps,
            has_digits=options.numbers != "words",
            previous=self.previous,
            speech_s=window.speech_s,
            voice_probability=window.voice_probability,
            may_divide=may_divide,
        )

    def _add(self, reading: Reading, window: Window, divisions: int) -> None:
        """Take a reading into the transcript, and what it passed over; only what is taken stands before the next."""
        last: Passage | None = None
        for passage in self.whisper.passages(reading.marked, window.duration_s):
            if not passage.text:
                continue
            gap = coverage.unread(last, passage.start_s, window)
            if gap and divisions < _MAX_DIVISIONS:
                self._read_window(gap, divisions + 1)
            self.segments.append(self._segment(passage, reading, window))
            last = passage
        self.previous = (*self.previous, *reading.hypothesis.tokens) if reading.is_leant_on else ()

    def _segment(self, passage: Passage, reading: Reading, window: Window) -> Segment:
        return Segment(
            start_s=window.start_s + passage.start_s,
            end_s=window.start_s + passage.end_s,
            text=self._written(passage.text),
            average_logprob=reading.hypothesis.mean_logprob,
            no_speech_probability=reading.no_speech,
            compression_ratio=reading.compression_ratio,
            temperature=reading.temperature,
        )

    def _written(self, text: str) -> str:
        """As the client wants Chinese and its numbers to be written; other languages stay as they are."""
        spoken = "en" if self.options.task == "translate" else self.language
        if spoken not in CHINESE:
            return text
        if self.options.script != "as-is":
            text = widen_punctuation(to_script(text, self.options.script, spoken))
        return to_digits(text) if self.options.numbers == "digits" else text

    def transcript(self, decoded: Decoded, decode_s: float, inference_s: float) -> Transcript:
        """All that was read."""
        is_known = bool(self.segments) or len(self.options.languages) == 1
        return Transcript(
            language=self.language or self.options.languages[0] if is_known else None,
            language_probability=self.language_probability if is_known else 0.0,
            text=join(segment.text for segment in self.segments),
            segments=tuple(self.segments),
            duration_s=decoded.duration_s,
            truncated=decoded.truncated,
            decode_s=decode_s,
            inference_s=inference_s,
            tracks=decoded.tracks,
        )
