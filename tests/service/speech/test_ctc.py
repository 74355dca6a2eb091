"""A recording through a CTC model that is a table: windows to segments, their times, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from models.ctc import Units
from service.errors import ClientGone, InvalidParameter
from service.runner import Array, Arrays, FunctionRunner
from service.speech.ctc import MIN_SAMPLES, CtcTranscriber, Reading
from service.speech.decode import AudioLimits
from service.speech.model import Options, Recording, Transcript
from service.speech.numerals import Numbers
from tests.service.speech.test_transcribe import hear, wav

STRIDE_S = 0.02
WORDS = Units(("one", "two"), " ")


class Graph:
    """Answers each window with a path of tokens, one a frame; remembers what it was fed."""

    def __init__(self, *paths: Sequence[int]) -> None:
        self._paths = itertools.cycle(paths)
        self.heard: list[Array] = []

    def run(self, feeds: Arrays) -> dict[str, Array]:
        (audio,) = feeds.values()
        self.heard.append(audio)
        scores = np.full((1, round(audio.shape[1] / 16_000 / STRIDE_S), 4), -5.0, np.float32)
        path = next(self._paths)
        for frame in range(scores.shape[1]):
            scores[0, frame, path[frame] if frame < len(path) else 0] = -0.1
        return {"log_probabilities": scores}


def transcriber(graph: Graph, units: Units = WORDS, language: str = "en") -> CtcTranscriber:
    return CtcTranscriber(
        graph,
        FunctionRunner(hear),
        Reading(units, language, STRIDE_S),
        limits=AudioLimits(100.0),
        timeout_per_audio_s=1.0,
        clock=itertools.count().__next__,
    )


def transcribed(graph: Graph, *stretches: tuple[float, float], **parts: object) -> Transcript:
    made = transcriber(graph, **parts)  # type: ignore[arg-type]  # by name
    return made.transcribe(Recording(wav(*stretches), Options()))


def test_text_times_and_likelihood() -> None:
    graph = Graph([0] * 50 + [1, 1, 0, 0, 2, 2, 2])
    found = transcribed(graph, (0.0, 2.0), (0.5, 1.5), (0.0, 2.0))
    assert (found.text, found.language, found.language_probability) == ("one two", "en", 1.0)
    (segment,) = found.segments
    window_begins_s = 2.0 - 0.8
    assert segment.start_s == pytest.approx(window_begins_s + 50 * STRIDE_S, abs=0.05)
    assert segment.end_s - segment.start_s == pytest.approx(7 * STRIDE_S)
    assert segment.average_logprob == pytest.approx(-0.1)
    assert (segment.text, segment.temperature, segment.no_speech_probability) == ("one two", 0.0, 0.0)
    assert found.duration_s == pytest.approx(5.5)
    assert (found.decode_s >= 0, found.inference_s) == (True, 1)


@pytest.mark.parametrize("numbers", ["words", "digits"])
def test_numbers_are_never_silently_written_otherwise_than_asked(numbers: Numbers) -> None:
    with pytest.raises(InvalidParameter, match="`numbers`"):
        transcriber(Graph([1])).transcribe(Recording(wav((0.5, 1.0)), Options(numbers=numbers)))


def test_a_segment_for_each_window_and_one_text() -> None:
    found = transcribed(Graph([1], [2, 0, 2]), (0.5, 1.5), (0.0, 10.0), (0.5, 1.5))
    assert found.text == "one two two"
    assert [each.text for each in found.segments] == ["one", "two two"]
    assert found.segments[0].end_s < 2
    assert found.segments[1].start_s > 10


def test_silence_is_nothing_and_the_model_is_not_asked() -> None:
    graph = Graph([1])
    found = transcribed(graph, (0.0, 3.0))
    assert (found.text, found.segments, graph.heard) == ("", (), [])


@pytest.mark.parametrize("path", [[0, 0], [3, 0, 3]])
def test_a_window_of_which_nothing_is_written_gives_no_segment(path: list[int]) -> None:
    letters = Units(("a", "b", " "), "")
    found = transcribed(Graph(path), (0.5, 1.5), units=letters)
    assert (found.text, found.segments) == ("", ())


def test_letters_are_joined_over_windows_with_a_space() -> None:
    letters = Units(("a", "b", " "), "")
    found = transcribed(Graph([3, 1, 2], [2, 3, 1, 3]), (0.5, 1.5), (0.0, 10.0), (0.5, 1.5), units=letters)
    assert found.text == "ab b a"
    assert [each.text for each in found.segments] == ["ab", "b a"]


def test_chinese_is_written_in_the_script_asked_for() -> None:
    made = transcriber(Graph([1, 2]), Units(("漢", "語"), ""), "zh")
    texts = [
        made.transcribe(Recording(wav((0.5, 1.5)), Options(script=script))).text
        for script in ("simplified", "traditional", "as-is")
    ]
    assert texts == ["汉语", "漢語", "漢語"]


def test_short_sound_is_padded_for_the_graph() -> None:
    graph = Graph([1])
    made = transcriber(graph)
    made.log_probabilities(np.ones(100, np.float32))
    made.log_probabilities(np.ones(MIN_SAMPLES + 1, np.float32))
    assert [each.shape for each in graph.heard] == [(1, MIN_SAMPLES), (1, MIN_SAMPLES + 1)]
    assert graph.heard[0][0, :100].tolist() == [1] * 100
    assert not graph.heard[0][0, 100:].any()


def test_who_left_is_not_read_on() -> None:
    graph = Graph([1])
    with pytest.raises(ClientGone):
        transcriber(graph).transcribe(Recording(wav((0.5, 1.5)), Options()), is_unwanted=lambda: True)
    assert graph.heard == []
