"""From a recording to its transcript: what a lane does for /transcribe with Whisper.

Media are decoded, speech is found and divided into windows, each window is read, and what was read becomes segments
with times of the recording. Everything streams: only the window that is being read, and the next, are in memory. It
does not know the web, queues or graphs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from service.admission import Clock, Job
from service.errors import ClientGone
from service.runner import Runner
from service.speech.decode import AudioLimits, Decoded, decode
from service.speech.decode import Decoding as MediaDecoding
from service.speech.listener import Desk, Listener
from service.speech.model import Options, Recording, Segment, SpeechModel, Transcript
from service.speech.resample import SPEECH_RATE_HZ, Samples
from service.speech.segment import Window, segment
from service.speech.text import CHINESE, join, to_script, widen_punctuation
from service.speech.tokenizer import Tokenizer
from service.speech.whisper import Decoding, Guards, Reading, Whisper, Wish

_MAX_BEAM = 5
_MIN_REST_S = 1.0  # of speech behind the last time that was written: less is not read again
_SPARSE_S, _MIN_TOKENS_PER_S = 5.0, 1.5  # so much speech with so little text was passed over: people speak 2.5 to 5
_MAX_DIVISIONS = 2
_MIN_ADVANCE_S = 0.5  # a reading that reaches less far is not gone on from


OnAudio = Callable[[float], None]


def _ignore(_: float) -> None:
    pass


def _counted(blocks: Iterable[Samples], on_audio: OnAudio) -> Iterator[Samples]:
    for block in blocks:
        on_audio(len(block) / SPEECH_RATE_HZ)
        yield block


class WhisperTranscriber:
    """Transcribes recordings, one at a time on each lane."""

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
        self._listener = listener
        self._voice = voice
        self._tokenizer = tokenizer
        self._decoding = decoding
        self._beam_size = beam_size
        self._limits = limits
        self._timeout_per_audio_s = timeout_per_audio_s
        self._clock = clock
        self._lane = threading.local()

    def run(self, jobs: Sequence[Job[Recording, Transcript]]) -> Sequence[Transcript | Exception]:
        """An outcome for each job, in order."""
        return [self._outcome(job) for job in jobs]

    def _outcome(self, job: Job[Recording, Transcript]) -> Transcript | Exception:
        try:
            return self.transcribe(
                job.input, lambda: job.is_abandoned, lambda audio_s: job.extend(audio_s * self._timeout_per_audio_s)
            )
        except Exception as error:  # this recording's trouble, not its neighbours'
            return error

    def transcribe(
        self, recording: Recording, is_unwanted: Callable[[], bool] = lambda: False, on_audio: OnAudio = _ignore
    ) -> Transcript:
        """The whole recording's transcript; `on_audio` hears of the audio's seconds as they are decoded.

        Raises:
            ClientGone: `is_unwanted` said so; asked before every window and every token.
            RequestError: the media cannot be decoded (see `service.speech.decode`).
        """

        def stop_if_unwanted() -> None:
            if is_unwanted():
                raise ClientGone("the request was given up while it was being transcribed")

        whisper = Whisper(self._desk(), self._tokenizer, self._decoding, Guards(), stop_if_unwanted)
        media = decode(recording.file, self._limits, is_unwanted)
        session = _Session(whisper, recording.options, self._tokenizer, self._beam_size, self._clock)
        return session.run(media, segment(_counted(media, on_audio), self._voice))

    def _desk(self) -> Desk:
        """The lane's own desk, made when the lane first works."""
        desk: Desk | None = getattr(self._lane, "desk", None)
        if desk is None:
            desk = self._lane.desk = self._listener.desk(_MAX_BEAM)
        return desk


@dataclass
class _Session:
    """One recording on its way."""

    whisper: Whisper
    options: Options
    tokenizer: Tokenizer
    beam_size: int
    clock: Clock
    language: str = ""
    language_probability: float = 1.0
    segments: list[Segment] = field(default_factory=list)
    previous: tuple[int, ...] = ()
    inference_s: float = 0.0

    def run(self, media: MediaDecoding, windows: Iterable[Window]) -> Transcript:
        """Read every window; only then is it known how long the recording is."""
        begun_at = self.clock()
        if self.options.prompt:
            self.previous = tuple(self.tokenizer.encode(f" {self.options.prompt.strip()}"))
        for window in windows:
            since = self.clock()
            self._read_window(window)
            self.inference_s += self.clock() - since
        return self._transcript(media.result, self.clock() - begun_at - self.inference_s)

    def _read_window(self, window: Window, divisions: int = 0) -> None:
        """Read a window, and what lies behind the place where the model stopped, until nothing is left."""
        while window.samples.size:
            reading = self._read(window)
            if self.whisper.is_silence(reading) or not reading.text.strip():
                return
            if (
                divisions < _MAX_DIVISIONS
                and self._is_sparse(reading, window)
                and self._read_parts(window, divisions)
            ):
                return
            self._add(reading, window)
            rest = self._rest(reading, window)
            if rest is None:
                return
            window = rest

    def _rest(self, reading: Reading, window: Window) -> Window | None:
        """What is to be read again behind the last time: the model says that more follows, or passed over much."""
        ended_s, says_more = self.whisper.reached_s(reading.hypothesis.tokens)
        if ended_s is None or ended_s < _MIN_ADVANCE_S:
            return None
        rest = window.behind(ended_s)
        return rest if rest.speech_s >= (_MIN_REST_S if says_more else _SPARSE_S) else None

    def _is_sparse(self, reading: Reading, window: Window) -> bool:
        """Whether some passage has far too little text for its speech: the model passed over what was said."""
        for passage in self.whisper.passages(reading.hypothesis.tokens, window.duration_s):
            speech_s = window.between(passage.start_s, passage.end_s).speech_s
            if speech_s >= _SPARSE_S and len(passage.tokens) < _MIN_TOKENS_PER_S * speech_s:
                return True
        return False

    def _read_parts(self, window: Window, divisions: int) -> bool:
        """Read both parts in place of the whole, where they give more segments than none; False leaves no trace."""
        before, previous = len(self.segments), self.previous
        for part in window.divided():
            self._read_window(part, divisions + 1)
        if len(self.segments) > before:
            return True
        self.previous = previous
        return False

    def _read(self, window: Window) -> Reading:
        self.whisper.listen(window.samples)
        if not self.segments:  # a language that was found where nothing was said is no finding
            self._choose_language()
        reading = self.whisper.read(self._wish())
        self.previous = (*self.previous, *reading.hypothesis.tokens) if reading.is_leant_on else ()
        return reading

    def _choose_language(self) -> None:
        allowed = self.options.languages
        if len(allowed) == 1:
            self.language = allowed[0]
        else:
            self.language, self.language_probability = self.whisper.language(allowed)

    def _wish(self) -> Wish:
        options = self.options
        return Wish(
            language=self.language,
            task=options.task,
            beam_size=options.beam_size or self.beam_size,
            temperature=options.temperature,
            has_timestamps=options.has_timestamps,
            previous=self.previous,
        )

    def _add(self, reading: Reading, window: Window) -> None:
        for passage in self.whisper.passages(reading.hypothesis.tokens, window.duration_s):
            if not passage.text:
                continue
            self.segments.append(
                Segment(
                    start_s=window.start_s + passage.start_s,
                    end_s=window.start_s + passage.end_s,
                    text=self._written(passage.text),
                    average_logprob=reading.hypothesis.mean_logprob,
                    no_speech_probability=reading.no_speech,
                    compression_ratio=reading.compression_ratio,
                    temperature=reading.temperature,
                )
            )

    def _written(self, text: str) -> str:
        """As the client wants Chinese to be written; other languages stay as they are."""
        spoken = "en" if self.options.task == "translate" else self.language
        if spoken not in CHINESE or self.options.script == "as-is":
            return text
        return widen_punctuation(to_script(text, self.options.script, spoken))

    def _transcript(self, decoded: Decoded, decode_s: float) -> Transcript:
        is_known = bool(self.segments) or len(self.options.languages) == 1
        return Transcript(
            language=self.language or self.options.languages[0] if is_known else None,
            language_probability=self.language_probability if is_known else 0.0,
            text=join(segment.text for segment in self.segments),
            segments=tuple(self.segments),
            duration_s=decoded.duration_s,
            truncated=decoded.truncated,
            decode_s=decode_s,
            inference_s=self.inference_s,
        )


@dataclass(frozen=True)
class WhisperModel(SpeechModel):
    """A loaded Whisper."""

    transcriber: WhisperTranscriber | None = None
    """The same that its engine's lanes run, for whoever has no need of a queue."""
