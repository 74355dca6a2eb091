"""A recording with a CTC model: one run for each window, the best path of its frames, a segment for each window.

Such a model knows one language and reads each frame by itself: prompts, temperatures and beams mean nothing to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.ctc import Emission, Units, best_path
from models.sound_files.resample import Samples
from service.admission import Clock
from service.errors import InvalidParameter
from service.runner import Runner
from service.speech.decode import AudioLimits, Decoded
from service.speech.guards import compression_ratio
from service.speech.model import Options, Segment, Transcript
from service.speech.segment import Window
from service.speech.text import join, to_script
from service.speech.transcriber import Session, StopIfUnwanted, Transcriber

AUDIO, LOG_PROBABILITIES = "audio", "log_probabilities"
MIN_SAMPLES = 1600  # a tenth of a second: shorter windows are padded with silence


@dataclass(frozen=True)
class Reading:
    """What an artifact says of its model's output."""

    units: Units
    language: str
    stride_s: float
    """Seconds from one frame to the next."""


class CtcTranscriber(Transcriber):
    """Transcribes recordings with one graph, float32 `[1, samples]` to `[1, frames, tokens]`."""

    def __init__(  # noqa: PLR0913 - the parts that a transcript is made with
        self,
        runner: Runner,
        voice: Runner,
        reading: Reading,
        *,
        limits: AudioLimits,
        timeout_per_audio_s: float,
        clock: Clock,
    ) -> None:
        super().__init__(voice, limits, timeout_per_audio_s, clock)
        self._runner = runner
        self._reading = reading

    def session(self, options: Options, stop_if_unwanted: StopIfUnwanted) -> Session:
        """Begin a recording.

        Raises:
            InvalidParameter: numbers are wanted otherwise than the model's units write them.
        """
        if options.numbers != "as-is":
            raise InvalidParameter("`numbers`: the model writes them as it learnt to; leave it out")
        return _CtcSession(self, self._reading, options, stop_if_unwanted)

    def log_probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Of every frame of a window, `[frames, tokens]`."""
        padded = np.pad(samples, (0, max(0, MIN_SAMPLES - len(samples))))
        frames: NDArray[np.float32] = self._runner.run({AUDIO: padded[None]})[LOG_PROBABILITIES][0]
        return frames


@dataclass
class _CtcSession:
    """One recording on its way."""

    transcriber: CtcTranscriber
    reading: Reading
    options: Options
    stop_if_unwanted: StopIfUnwanted
    segments: list[Segment] = field(default_factory=list)

    def read(self, window: Window) -> None:
        """One run of the graph; a window of which nothing is written gives no segment."""
        self.stop_if_unwanted()
        emissions = best_path(self.transcriber.log_probabilities(window.samples))
        text = self.reading.units.text([each.token for each in emissions]).strip()
        if text:
            self.segments.append(self._segment(window, emissions, text))

    def _segment(self, window: Window, emissions: Sequence[Emission], text: str) -> Segment:
        stride_s = self.reading.stride_s
        logprob = float(np.mean([each.logprob for each in emissions]))
        return Segment(
            start_s=window.start_s + min(emissions[0].begin * stride_s, window.duration_s),
            end_s=window.start_s + min(emissions[-1].end * stride_s, window.duration_s),
            text=to_script(text, self.options.script, self.reading.language),
            average_logprob=logprob,
            no_speech_probability=0.0,
            compression_ratio=compression_ratio(text),
            temperature=0.0,
        )

    def transcript(self, decoded: Decoded, decode_s: float, inference_s: float) -> Transcript:
        """All windows' texts."""
        joiner = self.reading.units.joiner
        texts = [segment.text for segment in self.segments]
        return Transcript(
            language=self.reading.language,
            language_probability=1.0,
            text=joiner.join(texts) if joiner else join(texts),
            segments=tuple(self.segments),
            duration_s=decoded.duration_s,
            truncated=decoded.truncated,
            decode_s=decode_s,
            inference_s=inference_s,
            tracks=decoded.tracks,
        )
