"""What every speech recogniser does with a recording: decode, find speech, read window by window, in bounded memory.

What is made of a window is the recogniser's own (`transcribe` for Whisper, `ctc`). Everything streams: only the
window that is being read, and the next, are in memory. It does not know the web, queues or graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from service.admission import Clock, Job
from service.errors import ClientGone
from service.runner import Runner
from service.speech.decode import AudioLimits, Decoded, decode
from service.speech.model import Options, Recording, Transcript
from service.speech.segment import Window, segment
from service.speech.tracks import first_spoken

OnAudio = Callable[[float], None]
StopIfUnwanted = Callable[[], None]
"""Raises where nobody waits for the transcript any more."""


class Session(Protocol):
    """One recording on its way."""

    def read(self, window: Window) -> None:
        """Write down what is said in the next window."""
        ...

    def transcript(self, decoded: Decoded, decode_s: float, inference_s: float) -> Transcript:
        """All of it, now that the recording's length is known; times in seconds."""
        ...


def _ignore(_: float) -> None:
    pass


def _counted(blocks: Iterable[Samples], on_audio: OnAudio) -> Iterator[Samples]:
    for block in blocks:
        on_audio(len(block) / SPEECH_RATE_HZ)
        yield block


class Transcriber(ABC):
    """Transcribes recordings, one at a time on each lane."""

    def __init__(self, voice: Runner, limits: AudioLimits, timeout_per_audio_s: float, clock: Clock) -> None:
        self._voice = voice
        self._limits = limits
        self._timeout_per_audio_s = timeout_per_audio_s
        self._clock = clock

    @abstractmethod
    def session(self, options: Options, stop_if_unwanted: StopIfUnwanted) -> Session:
        """Begin a recording."""

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
            ClientGone: `is_unwanted` said so; asked before every window and every step of the recogniser.
            RequestError: the media cannot be decoded (see `service.speech.decode`).
        """

        def stop_if_unwanted() -> None:
            if is_unwanted():
                raise ClientGone("the request was given up while it was being transcribed")

        choose = partial(first_spoken, recording.file, self._voice, stop_if_unwanted)
        media = decode(recording.file, self._limits, is_unwanted, recording.options.track, choose)
        session = self.session(recording.options, stop_if_unwanted)
        begun_at, inference_s = self._clock(), 0.0
        for window in segment(_counted(media, on_audio), self._voice):
            since = self._clock()
            session.read(window)
            inference_s += self._clock() - since
        return session.transcript(media.result, self._clock() - begun_at - inference_s, inference_s)
