"""The graph is fed what it needs: context, state and frames, whatever the blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sound_files.resample import Samples
from service.runner import Array, Arrays, FunctionRunner
from service.speech.voice import FRAME_SAMPLES, STATE_SHAPE, VoiceActivity


def remembering(feeds: Arrays) -> dict[str, Array]:
    """A stand-in whose answer depends on frame, context and everything before."""
    frames, state = feeds["input"], float(feeds["h"][0, 0, 0])
    assert frames.shape[1] == FRAME_SAMPLES + 64
    assert feeds["h"].shape == feeds["c"].shape == (1, 1, 128)
    curve = []
    for frame in frames:
        state = 0.5 * state + float(np.abs(frame[64:]).mean()) + 0.1 * float(frame[:64].sum())
        curve.append(state)
    full = np.full((1, 1, 128), state, np.float32)
    return {"speech_probs": np.array(curve, np.float32), "hn": full, "cn": full}


def curve_of(pieces: list[Samples]) -> Samples:
    voice = VoiceActivity(FunctionRunner(remembering))
    return np.concatenate([*(voice.push(piece) for piece in pieces), voice.flush()])


def noise(count: int, level: float = 0.5) -> Samples:
    return np.random.default_rng(7).uniform(-level, level, count).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9_000), st.lists(st.integers(0, 9_000), max_size=8), st.sampled_from([0.5, 0.01]))
def test_the_division_into_blocks_does_not_matter(count: int, cuts: list[int], level: float) -> None:
    whole = noise(count, level)
    np.testing.assert_allclose(curve_of(np.split(whole, sorted(cuts))), curve_of([whole]), rtol=1e-5)


@given(st.integers(0, 5_000))
def test_there_is_a_probability_for_every_frame_begun(count: int) -> None:
    assert len(curve_of([noise(count)])) == -(-count // FRAME_SAMPLES)


def test_each_frame_is_led_by_the_end_of_the_one_before_and_all_by_their_beginning_backwards() -> None:
    seen: list[Array] = []

    def keep(feeds: Arrays) -> dict[str, Array]:
        seen.extend(feeds["input"])
        return remembering(feeds)

    whole = noise(FRAME_SAMPLES * 3)
    voice = VoiceActivity(FunctionRunner(keep))
    voice.push(whole[:700])
    voice.push(whole[700:])
    np.testing.assert_array_equal(seen[0][:64], np.zeros(64))
    for before, frame in pairwise(seen):
        np.testing.assert_array_equal(frame[:64], before[-64:])
    beginning = whole[: 2 * FRAME_SAMPLES]
    wanted = np.concatenate([beginning[::-1], whole])
    np.testing.assert_array_equal(np.concatenate([frame[64:] for frame in seen]), wanted)


def test_faint_sound_is_raised_within_bounds_and_loud_sound_is_not() -> None:
    peaks: list[float] = []

    def keep(feeds: Arrays) -> dict[str, Array]:
        peaks.extend(np.abs(feeds["input"]).max(axis=1))
        return remembering(feeds)

    voice = VoiceActivity(FunctionRunner(keep))
    for level in (0.001, 0.001, 0.025, 0.8):
        voice.push(np.full(FRAME_SAMPLES, level, np.float32))
    np.testing.assert_allclose(peaks[2:], [0.03, 0.03, 0.25, 0.8], rtol=1e-5)


def test_a_state_that_heard_nothing_for_a_second_is_made_anew_from_that_second() -> None:
    """The runner counts what it was given since a fresh state; speech is what it says from then on."""
    seen: list[tuple[int, bool]] = []

    def listen(feeds: Arrays) -> dict[str, np.ndarray]:
        is_fresh = not feeds["h"].any()
        seen.append((len(feeds["input"]), is_fresh))
        state = np.ones(STATE_SHAPE, np.float32)
        return {"speech_probs": np.zeros(len(feeds["input"]), np.float32), "hn": state, "cn": state}

    voice = VoiceActivity(FunctionRunner(listen))
    voice.push(np.full(FRAME_SAMPLES * 40, 0.5, np.float32))
    assert seen == [(2, True), (31, False), (31, True), (9, False)]


def test_a_state_that_heard_speech_is_kept() -> None:
    seen: list[bool] = []

    def listen(feeds: Arrays) -> dict[str, np.ndarray]:
        seen.append(not feeds["h"].any())
        state = np.ones(STATE_SHAPE, np.float32)
        return {"speech_probs": np.full(len(feeds["input"]), 0.11, np.float32), "hn": state, "cn": state}

    VoiceActivity(FunctionRunner(listen)).push(np.full(FRAME_SAMPLES * 70, 0.5, np.float32))
    assert seen == [True, False, False, False]
