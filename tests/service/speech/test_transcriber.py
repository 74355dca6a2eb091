"""What every recogniser does with a recording: one after the other, in bounded pieces, each trouble its own."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, field

import pytest

from service.errors import ClientGone, UnsupportedMedia
from service.runner import FunctionRunner
from service.speech.decode import AudioLimits, Decoded
from service.speech.model import Options, Recording, Transcript
from service.speech.segment import Window
from service.speech.transcriber import Session, StopIfUnwanted, Transcriber
from tests.service.speech.test_transcribe import hear, job_of, wav


@dataclass
class Noting:
    """A session that writes down where its windows lie."""

    stop_if_unwanted: StopIfUnwanted
    read_s: list[tuple[float, float]] = field(default_factory=list)

    def read(self, window: Window) -> None:
        self.stop_if_unwanted()
        self.read_s.append((window.start_s, window.end_s))

    def transcript(self, decoded: Decoded, decode_s: float, inference_s: float) -> Transcript:
        text = " ".join(f"{begin:.0f}-{end:.0f}" for begin, end in self.read_s)
        return Transcript("en", 1.0, text, (), decoded.duration_s, decoded.truncated, decode_s, inference_s)


class NotingTranscriber(Transcriber):
    """Counts its sessions; the clock ticks once each time that it is asked."""

    def __init__(self, seconds_each: float = 2.0) -> None:
        clock = itertools.count().__next__
        super().__init__(FunctionRunner(hear), AudioLimits(100.0), seconds_each, clock)
        self.options: list[Options] = []

    def session(self, options: Options, stop_if_unwanted: StopIfUnwanted) -> Session:
        self.options.append(options)
        return Noting(stop_if_unwanted)


TWO_WORDS = ((0.0, 2.0), (0.5, 2.0), (0.0, 6.0), (0.5, 2.0), (0.0, 2.0))


def test_windows_lie_around_speech_and_times_are_counted() -> None:
    heard: list[float] = []
    made = NotingTranscriber()
    found = made.transcribe(Recording(wav(*TWO_WORDS), Options(prompt="x")), on_audio=heard.append)
    assert found.text == "1-4 9-12"
    assert sum(heard) == pytest.approx(14.0) == found.duration_s
    assert len(heard) > 1  # as it is decoded, not at the end
    assert found.inference_s == 2  # a tick for each window
    assert found.decode_s >= 1
    assert made.options == [Options(prompt="x")]


def test_a_broken_recording_does_not_trouble_its_neighbours() -> None:
    files = (wav(*TWO_WORDS), io.BytesIO(b"no sound"), wav((0.5, 1.0)))
    outcomes = NotingTranscriber().run([job_of(file) for file in files])
    assert isinstance(outcomes[0], Transcript)
    assert isinstance(outcomes[1], UnsupportedMedia)
    assert isinstance(outcomes[2], Transcript)


def test_the_deadline_grows_with_what_is_decoded() -> None:
    job = job_of(wav((0.0, 8.0)))
    before = job.deadline
    NotingTranscriber(seconds_each=2.0).run([job])
    assert job.deadline - before == pytest.approx(16.0)


def test_who_left_is_read_no_further() -> None:
    left = [False]

    class Leaving(Noting):
        def read(self, window: Window) -> None:
            super().read(window)
            left[0] = True

    class LeavingTranscriber(NotingTranscriber):
        def session(self, options: Options, stop_if_unwanted: StopIfUnwanted) -> Session:
            sessions.append(Leaving(stop_if_unwanted))
            return sessions[-1]

    sessions: list[Leaving] = []
    with pytest.raises(ClientGone):
        LeavingTranscriber().transcribe(Recording(wav(*TWO_WORDS), Options()), lambda: left[0])
    assert len(sessions[0].read_s) == 1
