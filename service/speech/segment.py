"""From audio of any length to windows that a recogniser can take, cut at silences, in bounded memory.

Spans of speech are gathered into windows as long as they fit and no long pause divides them; a margin of sound is
left around each. Windows come in order and never overlap, and all speech is inside one of them. Audio without speech
gives none, so that nothing can be invented on it. It does not know the recogniser.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from service.runner import Runner
from service.speech.level import raised
from service.speech.spans import Span, SpanRules, SpanTracker
from service.speech.voice import FRAME_SAMPLES, VoiceActivity

_CUT_S = 0.1


@dataclass(frozen=True)
class Segmentation:
    """How speech is found and divided. Probabilities 0…1, everything else in seconds."""

    threshold: float = 0.5
    """A frame this likely begins speech."""
    release: float = 0.35
    """A frame less likely than this counts towards the pause that ends it."""
    min_speech_s: float = 0.1
    """Shorter spans are taken for noise."""
    min_silence_s: float = 0.3
    """A shorter pause does not end a span."""
    max_window_s: float = 30.0
    """No window is longer, margins included."""
    max_pause_s: float = 2.0
    """A longer pause divides windows even where both sides would fit into one."""
    lead_s: float = 0.8
    """Margin before the first word: after a loud hum the detector needs up to that long to notice speech."""
    trail_s: float = 0.3
    """Margin behind the last word."""

    def __post_init__(self) -> None:
        """Refuse rules that contradict each other."""
        if not 0 < self.release <= self.threshold < 1:
            raise ValueError("0 < release <= threshold < 1 must hold")
        if self.lead_s + self.trail_s > self.max_pause_s:
            raise ValueError("the margins together must fit into the longest pause")
        if self.max_window_s < 2 * (self.lead_s + self.trail_s + self.min_silence_s):
            raise ValueError("a window must be long against its margins")

    def span_rules(self) -> SpanRules:
        """The same in frames; a span with its margins is never longer than a window."""
        return SpanRules(
            threshold=self.threshold,
            release=self.release,
            min_speech=max(1, _frames(self.min_speech_s)),
            min_silence=max(1, _frames(self.min_silence_s)),
            max_span=_samples(self.max_window_s - self.lead_s - self.trail_s) // FRAME_SAMPLES,
        )


def _frames(seconds: float) -> int:
    return round(seconds * SPEECH_RATE_HZ / FRAME_SAMPLES)


def _samples(seconds: float) -> int:
    return round(seconds * SPEECH_RATE_HZ)


@dataclass(frozen=True)
class Window:
    """A stretch of the recording: `samples` float32 `[n]` at 16 kHz, beginning at `start_s` of the recording.

    `speech` are the spans inside it that were heard as speech, in samples of the recording; `curve` the detector's
    probabilities, from the frame in which the window begins to the end of its last span. A faint window is raised.
    """

    start: int
    samples: Samples
    speech: tuple[Span, ...]
    curve: Samples

    @property
    def start_s(self) -> float:
        """Where the window begins, in seconds of the recording."""
        return self.start / SPEECH_RATE_HZ

    @property
    def end_s(self) -> float:
        """Where the window ends, in seconds of the recording."""
        return (self.start + len(self.samples)) / SPEECH_RATE_HZ

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SPEECH_RATE_HZ

    @property
    def speech_s(self) -> float:
        """How much of it was heard as speech, in seconds."""
        return sum(span.end - span.start for span in self.speech) / SPEECH_RATE_HZ

    @property
    def voice_probability(self) -> float:
        """How sure the detector was of what it heard as speech: the mean over its frames, 0 where there are none."""
        first = self.start // FRAME_SAMPLES
        heard = [
            self.curve[span.start // FRAME_SAMPLES - first : -(-span.end // FRAME_SAMPLES) - first]
            for span in self.speech
        ]
        return float(np.concatenate(heard).mean()) if heard else 0.0

    def between(self, start_s: float, end_s: float) -> Window:
        """The part between two places, in seconds of the window."""
        start = min(self.start + _samples(start_s), self.start + len(self.samples))
        end = min(self.start + _samples(end_s), self.start + len(self.samples))
        speech = tuple(
            Span(max(start, span.start), min(end, span.end))
            for span in self.speech
            if span.end > start and span.start < end
        )
        curve = self.curve[start // FRAME_SAMPLES - self.start // FRAME_SAMPLES :]
        return Window(start, self.samples[start - self.start : end - self.start], speech, curve)

    def behind(self, seconds: float) -> Window:
        """What is left of it behind a place, in seconds of the window."""
        return self.between(seconds, self.duration_s)

    def gap_at(self, seconds: float, reach_s: float) -> float:
        """The middle of the pause nearest to a place, in seconds of the window; the place itself where none is near.

        How near is told by the ends of speech: a place within a pause is left alone.
        """
        at, reach = self.start + _samples(seconds), _samples(reach_s)
        pauses = list(pairwise(self.speech))
        near = [(at - right.start, left, right) for left, right in pauses if 0 < at - right.start <= reach]
        near += [(left.end - at, left, right) for left, right in pauses if 0 < left.end - at <= reach]
        if not near:
            return seconds
        _, left, right = min(near)
        return ((left.end + right.start) / 2 - self.start) / SPEECH_RATE_HZ

    def divided(self) -> tuple[Window, Window]:
        """Two parts, cut in the pause nearest to its middle, or where it is quietest in its middle third."""
        pauses = [(left.end + right.start) / 2 - self.start for left, right in pairwise(self.speech)]
        middle = len(self.samples) / 2
        at = min(pauses, key=lambda place: abs(place - middle)) if pauses else self._quietest()
        at_s = at / SPEECH_RATE_HZ
        return self.between(0.0, at_s), self.behind(at_s)

    def _quietest(self) -> float:
        third, step = len(self.samples) // 3, _samples(_CUT_S)
        frames = self.samples[third : third + max(step, third // step * step)].reshape(-1, step)
        return third + (int(np.square(frames).sum(axis=1).argmin()) + 0.5) * step


def segment(blocks: Iterable[Samples], runner: Runner, rules: Segmentation | None = None) -> Iterator[Window]:
    """Divide a recording, given as blocks of float32 at 16 kHz, into windows of speech.

    Args:
        blocks: consecutive pieces `[n]` of any lengths; each is taken only when it is needed, and at most about two
            windows' worth of sound is held.
        runner: Silero's sequence graph (see `service.speech.voice`).
        rules: how speech is found and divided; by default `Segmentation()`.
    """
    return _Segmenter(runner, rules or Segmentation()).windows(blocks)


class WindowPlanner:
    """Gathers spans (in samples, in order) into windows' ranges; pure bookkeeping."""

    def __init__(self, rules: Segmentation) -> None:
        self._lead, self._trail = _samples(rules.lead_s), _samples(rules.trail_s)
        self._max_window, self._max_pause = _samples(rules.max_window_s), _samples(rules.max_pause_s)
        self._group: list[Span] = []
        self._floor = 0  # no window begins before this

    @property
    def first_needed(self) -> int | None:
        """Where the window that is being gathered will begin; None while there is none."""
        return max(self._floor, self._group[0].start - self._lead) if self._group else None

    def push(self, span: Span) -> Iterator[tuple[Span, tuple[Span, ...]]]:
        """Take the next span; a window that it does not join comes out, as its range and its spans."""
        if self._group and not self._joins(span):
            yield self._close((self._group[-1].end + span.start) // 2)
        self._group.append(span)

    def advance(self, silent_until: int) -> Iterator[tuple[Span, tuple[Span, ...]]]:
        """No span begins before `silent_until`; a window that nothing can join any more comes out."""
        if self._group and silent_until - self._group[-1].end > self._max_pause:
            yield self._close(silent_until)

    def flush(self, total: int) -> Iterator[tuple[Span, tuple[Span, ...]]]:
        """The last window of a recording of `total` samples."""
        if self._group:
            yield self._close(total)

    def _joins(self, span: Span) -> bool:
        length = span.end - self._group[0].start + self._lead + self._trail
        return length <= self._max_window and span.start - self._group[-1].end <= self._max_pause

    def _close(self, limit: int) -> tuple[Span, tuple[Span, ...]]:
        group, self._group = tuple(self._group), []
        start = max(self._floor, group[0].start - self._lead)
        self._floor = min(group[-1].end + self._trail, limit)
        return Span(start, self._floor), group


class _Segmenter:
    """Holds the samples that may still be needed while the curve is followed."""

    def __init__(self, runner: Runner, rules: Segmentation) -> None:
        self._voice = VoiceActivity(runner)
        self._tracker = SpanTracker(rules.span_rules())
        self._planner = WindowPlanner(rules)
        self._lead = _samples(rules.lead_s)
        self._held: list[Samples] = []
        self._held_start = 0
        self._total = 0
        self._curve: list[float] = []
        self._curve_start = 0

    def windows(self, blocks: Iterable[Samples]) -> Iterator[Window]:
        for block in blocks:
            self._held.append(block)
            self._total += len(block)
            yield from self._follow(self._voice.push(block))
            self._forget()
        yield from self._follow(self._voice.flush())
        for span in self._tracker.flush():
            yield from self._cut(self._planner.push(self._in_samples(span)))
        yield from self._cut(self._planner.flush(self._total))

    def _follow(self, curve: Samples) -> Iterator[Window]:
        for probability in curve:
            self._curve.append(float(probability))
            for span in self._tracker.push(float(probability)):
                yield from self._cut(self._planner.push(self._in_samples(span)))
            yield from self._cut(self._planner.advance(self._silent_until()))

    def _silent_until(self) -> int:
        start = self._tracker.open_start
        return (self._tracker.frames if start is None else start) * FRAME_SAMPLES

    def _in_samples(self, span: Span) -> Span:
        return Span(span.start * FRAME_SAMPLES, min(span.end * FRAME_SAMPLES, self._total))

    def _cut(self, planned: Iterator[tuple[Span, tuple[Span, ...]]]) -> Iterator[Window]:
        for stretch, speech in planned:
            first, last = stretch.start // FRAME_SAMPLES, -(-speech[-1].end // FRAME_SAMPLES)
            curve = np.array(self._curve[first - self._curve_start : last - self._curve_start], np.float32)
            yield Window(stretch.start, raised(self._copy(stretch)), speech, curve)

    def _copy(self, stretch: Span) -> Samples:
        """The samples of a range, out of blocks that stay as they are, so that they can be dropped one by one."""
        pieces, position = [], self._held_start
        for block in self._held:
            pieces.append(block[max(0, stretch.start - position) : max(0, stretch.end - position)])
            position += len(block)
        return np.concatenate(pieces)

    def _forget(self) -> None:
        """Drop whole blocks that no window can want any more."""
        needed = self._planner.first_needed
        if needed is None:
            needed = self._silent_until() - self._lead
        while self._held and self._held_start + len(self._held[0]) <= needed:
            self._held_start += len(self._held.pop(0))
        first = self._held_start // FRAME_SAMPLES
        del self._curve[: first - self._curve_start]
        self._curve_start = first
