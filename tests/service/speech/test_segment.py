"""Windows hold all speech once, are short enough, and do not depend on how the audio arrived."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from service.runner import Array, Arrays, FunctionRunner
from service.speech.segment import Segmentation, Window, segment
from service.speech.voice import FRAME_SAMPLES

FRAME_S = FRAME_SAMPLES / SPEECH_RATE_HZ
SPEECH, PAUSE = np.float32(0.5), np.float32(0.0)
SHORT = Segmentation(max_window_s=4.0, max_pause_s=1.0, lead_s=0.2, trail_s=0.3, min_silence_s=0.25)


def loudness(feeds: Arrays) -> dict[str, Array]:
    """A stand-in detector: a frame is speech as far as it is loud."""
    probabilities = np.clip(2 * np.abs(feeds["input"][:, 64:]).mean(axis=1), 0, 1).astype(np.float32)
    return {"speech_probs": probabilities, "hn": feeds["h"], "cn": feeds["c"]}


RUNNER = FunctionRunner(loudness)


def recording(*parts: tuple[np.float32, float]) -> Samples:
    return np.concatenate([np.full(round(seconds * SPEECH_RATE_HZ), level) for level, seconds in parts])


def windows(samples: Samples, rules: Segmentation = SHORT) -> list[Window]:
    return list(segment([samples], RUNNER, rules))


def test_silence_gives_no_window() -> None:
    assert windows(recording((PAUSE, 12.0))) == []
    assert list(segment([], RUNNER)) == []


def test_one_stretch_of_speech_keeps_its_margins() -> None:
    (window,) = windows(recording((PAUSE, 3.0), (SPEECH, 1.0), (PAUSE, 3.0)))
    assert window.start_s == pytest.approx(2.8, abs=FRAME_S)
    assert window.end_s == pytest.approx(4.3, abs=FRAME_S)
    assert len(window.speech) == 1


def test_margins_end_where_the_recording_does() -> None:
    (window,) = windows(recording((SPEECH, 1.03)))
    assert window.start == 0
    assert window.end_s == pytest.approx(1.03)


def test_what_fits_together_stays_together() -> None:
    (window,) = windows(recording((SPEECH, 1.0), (PAUSE, 0.5), (SPEECH, 1.0), (PAUSE, 2.0)))
    assert len(window.speech) == 2


def test_a_long_pause_divides_what_would_fit() -> None:
    first, second = windows(recording((SPEECH, 0.5), (PAUSE, 1.5), (SPEECH, 0.5)))
    assert first.end_s == pytest.approx(0.8, abs=FRAME_S)
    assert second.start_s == pytest.approx(1.8, abs=FRAME_S)


def test_too_much_for_one_window_is_divided_in_the_pause() -> None:
    first, second = windows(recording((SPEECH, 2.0), (PAUSE, 0.4), (SPEECH, 2.0)))
    assert first.end_s == second.start_s == pytest.approx(2.2, abs=FRAME_S)


def test_speech_without_a_pause_is_cut_at_its_weakest_and_lost_nowhere() -> None:
    samples = recording((SPEECH, 2.9), (np.float32(0.2), 0.1), (SPEECH, 4.0))
    found = windows(samples)
    assert found[0].end_s == pytest.approx(2.95, abs=3 * FRAME_S)
    np.testing.assert_array_equal(np.concatenate([window.samples for window in found]), samples)


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 0.3, "release": 0.4},
        {"lead_s": 1.5, "trail_s": 1.5},
        {"max_window_s": 1.0},
    ],
)
def test_rules_that_contradict_each_other_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Segmentation(**bad)


def test_hours_are_held_only_in_part() -> None:
    """The audio is taken as windows are, and never more than about two windows' worth of it is in memory."""
    taken_s = 0.0
    detectors_s = 2.5  # the second that it may have to hear again, context included, once or twice
    allowed_bytes = (3 * SHORT.max_window_s + detectors_s) * SPEECH_RATE_HZ * np.dtype(np.float32).itemsize

    def blocks() -> Iterator[Samples]:
        nonlocal taken_s
        for _ in range(300):
            taken_s += 1.7
            yield recording((SPEECH, 1.0), (PAUSE, 0.7))

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for window in segment(blocks(), RUNNER, SHORT):
            assert taken_s - window.end_s < 2 * SHORT.max_window_s
            assert tracemalloc.get_traced_memory()[0] - before < allowed_bytes
    finally:
        tracemalloc.stop()
    assert taken_s == pytest.approx(510.0)


scenes = st.lists(
    st.tuples(st.sampled_from([SPEECH, PAUSE, np.float32(0.2), np.float32(0.3)]), st.floats(0.02, 6.0)), max_size=8
)


def test_a_window_knows_how_sure_the_detector_was_of_it_and_of_its_parts() -> None:
    weaker = np.float32(0.35)  # 0.7 to the detector
    (window,) = windows(recording((PAUSE, 0.5), (SPEECH, 1.0), (PAUSE, 0.5), (weaker, 1.0), (PAUSE, 0.5)))
    sure, unsure = window.divided()
    assert [sure.voice_probability, window.voice_probability, unsure.voice_probability] == pytest.approx(
        [1.0, 0.85, 0.7], abs=0.03
    )
    assert window.behind(window.duration_s).voice_probability == 0


def test_a_faint_window_is_raised_and_no_other() -> None:
    for level, raised in ((0.0005, 0.15), (0.009, 0.25), (0.02, 0.02)):
        heard = FunctionRunner(
            lambda feeds: {**loudness(feeds), "speech_probs": np.ones(len(feeds["input"]), np.float32)}
        )
        (window,) = segment([np.full(SPEECH_RATE_HZ, level, np.float32)], heard, SHORT)
        assert float(window.samples.max()) == pytest.approx(raised)


@settings(max_examples=80, deadline=None)
@given(scenes, st.lists(st.integers(0, 48 * SPEECH_RATE_HZ), max_size=6))
def test_windows_hold_all_speech_once_however_it_arrives(
    parts: list[tuple[np.float32, float]], cuts: list[int]
) -> None:
    samples = recording((PAUSE, 0.0), *parts)
    everything = Segmentation(
        max_window_s=4.0, max_pause_s=1.0, lead_s=0.2, trail_s=0.3, min_silence_s=0.25, min_speech_s=0.0
    )
    found = windows(samples, everything)
    divided = list(segment(np.split(samples, sorted(cuts)), RUNNER, everything))
    assert [(window.start, len(window.samples)) for window in divided] == [
        (window.start, len(window.samples)) for window in found
    ]
    covered = np.zeros(len(samples), np.int64)
    for window in found:
        end = window.start + len(window.samples)
        np.testing.assert_array_equal(window.samples, samples[window.start : end])
        covered[window.start : end] += 1
        assert 0 < window.duration_s <= everything.max_window_s
        assert all(window.start <= span.start < span.end <= end for span in window.speech)
    assert covered.max(initial=0) <= 1
    assert _only_in_mixed_frames(samples, covered)


def _only_in_mixed_frames(samples: Samples, covered: Array) -> bool:
    """A frame that is only partly loud may score below the threshold."""
    missed = np.flatnonzero((samples == SPEECH) & (covered == 0)) // FRAME_SAMPLES
    frames = [samples[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES] for frame in np.unique(missed)]
    return all(2 * np.abs(frame).sum() / FRAME_SAMPLES < 0.5 for frame in frames)
