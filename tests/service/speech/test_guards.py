"""What repeats is held against the time that it takes."""

from __future__ import annotations

import pytest

from service.speech.guards import Guards, Repetition, before_repetition, compression_ratio, may_loop, repetition

NONE, SAID, DOUBTFUL, LOOP = Repetition


@pytest.mark.parametrize(
    ("text", "speech_s", "what"),
    [
        ("换一首歌", 1.2, NONE),
        ("no no no", 0.6, NONE),
        ("谢谢谢谢", 0.8, NONE),
        ("2,000,000", 0.6, NONE),
        ("555-1234", 2.0, NONE),
        ("Nine, " * 17, 11.7, SAID),
        ("哈" * 6, 1.2, SAID),
        ("坚持" * 4, 3.0, SAID),
        ("9" * 24, 5.9, DOUBTFUL),  # four a second
        ("坚持" * 4, 1.5, DOUBTFUL),  # zlib takes it for any text
        ("I don't know. " * 20, 28.0, DOUBTFUL),  # no single word
        ("坚持" * 8, 1.0, LOOP),
        ("9" * 295, 11.7, LOOP),
        ("9 8 9 9 " * 40, 11.7, LOOP),
        ("我们要" + "坚持" * 40, 4.0, LOOP),
    ],
)
def test_repetitions(text: str, speech_s: float, what: Repetition) -> None:
    assert repetition(text, speech_s) is what
    assert may_loop(text, speech_s) or what is not LOOP


def test_much_text_that_does_not_repeat_itself_is_no_loop() -> None:
    alphabet = "the quick brown fox jumps over a lazy dog, and nobody has seen where it went"
    assert may_loop(alphabet, 1.0)
    assert repetition(alphabet, 1.0) is NONE


def test_a_loop_is_cut_behind_its_first_unit() -> None:
    assert before_repetition("我们要坚持坚持坚持坚持") == 5
    assert before_repetition("Nine, nine, nine.") == 4
    assert before_repetition("one two three") == 0


def test_compression_ratio_is_by_bytes() -> None:
    assert compression_ratio("") == 0.0
    assert compression_ratio("好" * 100) > 10
    assert compression_ratio("换一首歌") < 1


@pytest.mark.parametrize(
    ("no_speech", "mean_logprob", "voice_probability", "is_silence"),
    [
        (0.916, -0.93, 0.696, True),  # a hummed tone: "Thank you."
        (0.86, -0.84, 0.44, True),  # speech 70 dB down: "You"
        (0.69, -0.65, 0.805, True),  # the likeliest of hummed tones: "mm"
        (0.92, -0.5, 0.99, False),  # the detector is sure
        (0.92, -1.1, 0.99, True),  # but the recogniser does not believe its text
        (0.686, -0.8, 0.981, False),  # a spoken digit
        (0.52, -0.65, 0.81, False),  # a sentence 70 dB down, read rightly
        (0.19, -0.76, 0.175, False),  # a syllable of which the recogniser is sure
        (0.3, -1.3, 0.5, False),
        (1.0, -0.2, 1.0, False),  # both are certain, of the contrary
    ],
)
def test_nothing_was_said_where_both_witnesses_doubt_it(
    no_speech: float, mean_logprob: float, voice_probability: float, is_silence: bool
) -> None:
    assert Guards().is_silence(no_speech, mean_logprob, voice_probability) is is_silence
