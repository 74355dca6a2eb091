"""One window: the language, the ladder of temperatures, silence, and text between times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from service.speech.guards import Guards, Repetition
from service.speech.punctuation import Punctuated
from service.speech.search import Hypothesis
from service.speech.tokenizer import Tokenizer
from service.speech.whisper import Decoding, Reading, Whisper, Wish
from tests.service.speech.chain import ChainDesk
from tests.whispers import LANGUAGES, SPECIALS

TOKENIZER = Tokenizer(r"\S+|\s+", [bytes([byte]) for byte in range(256)], SPECIALS)
END, START = SPECIALS["<|endoftext|>"], SPECIALS["<|startoftranscript|>"]
FIRST = SPECIALS["<|0.00|>"]
TRANSCRIBE, TRANSLATE = SPECIALS["<|transcribe|>"], SPECIALS["<|translate|>"]
NO_TIMES, NO_SPEECH = SPECIALS["<|notimestamps|>"], SPECIALS["<|nospeech|>"]
EN, ZH, JA = (SPECIALS[f"<|{code}|>"] for code in LANGUAGES)
H, LETTER_I = ord("h"), ord("i")
Table = Mapping[int, Mapping[int, float]]

SURE: Table = {
    START: {EN: 0.6, ZH: 0.3, JA: 0.1},
    TRANSCRIBE: {FIRST: 1.0},
    FIRST: {H: 1.0},
    H: {LETTER_I: 1.0},
    LETTER_I: {FIRST + 50: 1.0},
    FIRST + 50: {END: 1.0},
}


def never() -> None:
    pass


def whisper(
    desk: ChainDesk, stop: Callable[[], None] = never, punctuated: Punctuated | None = None, **lengths: int
) -> Whisper:
    decoding = replace(Decoding((), (32,), **lengths), punctuated=punctuated or Punctuated())  # type: ignore[arg-type]  # by name
    return Whisper(desk, TOKENIZER, decoding, Guards(), stop)


def desk_of(table: Table) -> ChainDesk:
    return ChainDesk(table, 256 + len(SPECIALS))


def wish(**changes: object) -> Wish:
    plain = {
        "language": "en",
        "task": "transcribe",
        "beam_size": 2,
        "temperature": 0.0,
        "has_timestamps": True,
        "previous": (),
        "speech_s": 10.0,
        "may_divide": False,
    }
    return Wish(**{**plain, **changes})  # type: ignore[arg-type]  # fields by name


def test_the_language_is_the_likeliest_of_those_allowed() -> None:
    reader = whisper(desk_of(SURE))
    for allowed, code, probability in (((), "en", 0.6), (("zh", "ja"), "zh", 0.3)):
        found, how_likely = reader.language(allowed)
        assert found == code
        assert how_likely == pytest.approx(probability)


def test_a_sure_window_is_read_at_once() -> None:
    desk = desk_of(SURE)
    reading = whisper(desk).read(wish())
    assert (reading.text, reading.temperature) == ("hi", 0.0)
    assert desk.begun == [[START, EN, TRANSCRIBE]]
    assert reading.hypothesis.mean_logprob == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "beginning"),
    [
        ({"language": "zh"}, [START, ZH, TRANSCRIBE]),
        ({"task": "translate"}, [START, EN, TRANSLATE]),
        ({"has_timestamps": False}, [START, EN, TRANSCRIBE, NO_TIMES]),
        ({"previous": (H, LETTER_I)}, [SPECIALS["<|startofprev|>"], H, LETTER_I, START, EN, TRANSCRIBE]),
        ({"previous": (H,) * 30}, [SPECIALS["<|startofprev|>"], *(H,) * 5, START, EN, TRANSCRIBE]),
    ],
)
def test_the_beginning_says_what_is_wanted(changes: dict[str, object], beginning: list[int]) -> None:
    desk = desk_of({**SURE, TRANSLATE: {FIRST: 1.0}, NO_TIMES: {H: 1.0}, LETTER_I: {FIRST + 50: 0.5, END: 0.5}})
    whisper(desk, previous=5).read(wish(**changes))
    assert desk.readings[0] == beginning


def test_text_stops_where_the_positions_end() -> None:
    desk = desk_of({**SURE, FIRST: {H: 1.0}, H: {H: 1.0}})
    reading = whisper(desk, positions=10, longest=224).read(wish())
    assert len(reading.hypothesis.tokens) == 10 - 3


# Behind h stands another h, nearly always: a loop that only heat leaves.
LOOP: Table = {**SURE, H: {H: 0.99, LETTER_I: 0.01}}


def test_a_loop_is_not_written_to_its_end_and_tried_hotter() -> None:
    desk = desk_of({**SURE, H: {H: 1.0}})
    reading = whisper(desk).read(wish(speech_s=1.0))
    assert len(desk.begun) == 3  # 0, 0.4, 0.8: what loops is heated twice as fast
    assert desk.steps == 3 * 47  # 10.5 syllables of three letters fit into the time: seen at the third look
    assert (reading.text, reading.repetition) == ("h", Repetition.LOOP)
    assert not reading.is_leant_on


def test_a_loop_in_a_window_that_may_be_divided_is_not_tried_hotter() -> None:
    desk = desk_of({**SURE, H: {H: 1.0}})
    reading = whisper(desk).read(wish(speech_s=1.0, may_divide=True))
    assert len(desk.begun) == 1
    assert (reading.text, reading.is_circling) == ("h", True)


def test_of_loops_and_others_another_is_taken() -> None:
    reading = whisper(desk_of(LOOP)).read(wish(speech_s=1.0, beam_size=1))
    assert reading.repetition is not Repetition.LOOP
    assert reading.temperature > 0


def test_what_stands_before_a_loop_is_kept() -> None:
    table = {**SURE, FIRST: {LETTER_I: 1.0}, LETTER_I: {ord("n"): 1.0}, ord("n"): {H: 1.0}, H: {H: 1.0}}
    assert whisper(desk_of(table)).read(wish(speech_s=1.0)).text == "inh"


def test_a_word_that_may_well_have_been_said_again_and_again_is_believed() -> None:
    # "hi" 40 times: what zlib takes for a loop, two thirds of a syllable each
    desk = desk_of({**SURE, LETTER_I: {H: 1.0}})
    reading = whisper(desk, longest=80).read(wish(speech_s=10.0, beam_size=1))
    assert reading.compression_ratio > 2.4
    assert (len(desk.begun), reading.repetition) == (1, Repetition.SAID)


def test_hotter_tries_have_a_budget() -> None:
    # letters of equal probability are never believed, and never repeat themselves
    letters = dict.fromkeys(range(40, 240), 1 / 200)
    desk = desk_of({**SURE, FIRST: letters, **dict.fromkeys(letters, letters)})
    whisper(desk, longest=100).read(wish(speech_s=4.0))
    assert len(desk.begun) == 2  # 32 steps and 16 for each second are spent with the first hotter one
    desk = desk_of({**SURE, FIRST: letters, **dict.fromkeys(letters, letters)})
    whisper(desk, longest=100).read(wish(speech_s=28.0))
    assert len(desk.begun) == 6


def test_an_improbable_text_is_tried_hotter_and_the_likeliest_is_kept() -> None:
    # 60 letters of equal probability: log 1/60 = −4.1 a token
    letters = dict.fromkeys(range(40, 100), 1 / 60)
    table = {**SURE, FIRST: letters, **{byte: {FIRST + 50: 1.0} for byte in letters}}
    desk = desk_of(table)
    whisper(desk).read(wish(temperature=0.6))
    assert len(desk.begun) == 3  # 0.6, 0.8, 1.0


def test_an_improbable_text_over_silence_is_nothing() -> None:
    letters = dict.fromkeys(range(40, 240), 1 / 200)
    table = {**SURE, START: {EN: 0.1, NO_SPEECH: 0.9}, FIRST: letters, **dict.fromkeys(letters, letters)}
    desk = desk_of(table)
    reader = whisper(desk, longest=4)
    reading = reader.read(wish())
    assert reading.no_speech == pytest.approx(0.9)
    assert reader.is_silence(reading)
    assert len(desk.begun) == 1  # it is not tried again


def test_a_sure_text_over_doubtful_sound_is_kept() -> None:
    reader = whisper(desk_of({**SURE, START: {EN: 0.1, NO_SPEECH: 0.9}}))
    assert not reader.is_silence(reader.read(wish()))


def test_a_sure_text_that_recogniser_and_detector_doubt_is_nothing() -> None:
    desk = desk_of({**SURE, START: {EN: 0.1, NO_SPEECH: 0.9}})
    reader = whisper(desk)
    assert reader.is_silence(reader.read(wish(voice_probability=0.7)))
    assert len(desk.begun) == 1


def test_what_stands_before_says_nothing_of_the_sound() -> None:
    """Behind a context the model doubts clear speech."""
    desk = desk_of(SURE)
    assert whisper(desk).read(wish(previous=(LETTER_I,))).no_speech == whisper(desk).read(wish()).no_speech
    assert desk.begun[0] == [START]


# 1234, and behind it a time, beside which the model thinks of a question mark rather than of a stop
COUNTED: Table = {
    **SURE,
    FIRST: {ord("1"): 1.0},
    **{ord(digit): {ord(digit) + 1: 1.0} for digit in "123"},
    ord("4"): {FIRST + 50: 0.97, ord("?"): 0.02, ord("."): 0.01},
    ord("?"): {FIRST + 50: 1.0},
    ord("."): {FIRST + 50: 1.0},
    TRANSLATE: {FIRST: 1.0},
}


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_only_a_punctuated_language_gets_marks_and_only_in_what_is_shown(beam_size: int, temperature: float) -> None:
    def read(**changes: object) -> Reading:
        reader = whisper(desk_of(COUNTED), punctuated=Punctuated(frozenset({"zh"})))
        return reader.read(wish(beam_size=beam_size, temperature=temperature, **changes))

    chinese, others = read(language="zh"), [read(), read(language="ja"), read(language="zh", task="translate")]
    assert TOKENIZER.decode(chinese.marked) == "1234？"
    assert [token for token in chinese.marked if token >= FIRST] == [FIRST, FIRST + 50]
    assert (chinese.text, chinese.hypothesis.tokens) == ("1234", (FIRST, *b"1234", FIRST + 50))
    for other in others:
        assert other.marked == other.hypothesis.tokens == chinese.hypothesis.tokens
        assert other.hypothesis.logprob == chinese.hypothesis.logprob


@pytest.mark.parametrize("beam_size", [1, 5])
def test_what_is_left_of_a_loop_is_marked_too(beam_size: int) -> None:
    """1212 12 12 … to the longest text: the loop is cut, and what stays is closed."""
    table = {**COUNTED, ord("2"): {ord("1"): 1.0}}
    reading = whisper(desk_of(table), punctuated=Punctuated(frozenset({"zh"})), longest=120).read(
        wish(language="zh", beam_size=beam_size, speech_s=1.0)
    )
    assert set(reading.text) == {"1", "2"}
    assert len(reading.text) < 60
    assert TOKENIZER.decode(reading.marked) == reading.text + ("。" if len(reading.text) >= 4 else "")


def test_an_artifact_that_says_nothing_of_marks_gets_none() -> None:
    reading = whisper(desk_of(COUNTED)).read(wish(language="zh"))
    assert reading.marked == reading.hypothesis.tokens


def test_where_marks_are_added_times_are_written_whatever_is_shown() -> None:
    """They are what tells pauses."""
    desk = desk_of(COUNTED)
    whisper(desk, punctuated=Punctuated(frozenset({"zh"}))).read(wish(language="zh", has_timestamps=False))
    assert desk.begun[0] == [START, ZH, TRANSCRIBE]


def test_passages_lie_between_times() -> None:
    tokens = [FIRST, H, FIRST + 50, FIRST + 50, LETTER_I, H, FIRST + 100]
    got = list(whisper(desk_of(SURE)).passages(tokens, 30.0))
    assert [(each.start_s, each.end_s, each.text) for each in got] == [(0.0, 1.0, "h"), (1.0, 2.0, "ih")]


def test_a_passage_without_an_end_goes_on_to_the_windows() -> None:
    (only,) = whisper(desk_of(SURE)).passages([FIRST + 10, H], 7.5)
    assert (only.start_s, only.end_s) == (0.2, 7.5)


def test_no_passage_reaches_behind_the_window() -> None:
    (only,) = whisper(desk_of(SURE)).passages([FIRST, H, FIRST + 1000], 7.5)
    assert only.end_s == 7.5
    (late,) = whisper(desk_of(SURE)).passages([FIRST + 1000, H, FIRST + 1100], 7.5)
    assert (late.start_s, late.end_s) == (7.5, 7.5)


def test_text_without_times_is_one_passage() -> None:
    (only,) = whisper(desk_of(SURE)).passages([H, LETTER_I], 3.0)
    assert (only.start_s, only.end_s, only.text) == (0.0, 3.0, "hi")


def test_where_the_model_stopped_before_the_end() -> None:
    reader = whisper(desk_of(SURE))
    assert reader.reached_s([FIRST, H, FIRST + 50, FIRST + 60]) == (1.0, True)
    assert reader.reached_s([FIRST, H, FIRST + 50]) == (1.0, False)
    assert reader.reached_s([FIRST, H]) == (None, False)
    assert reader.reached_s([]) == (None, False)


def test_hypotheses_are_compared_by_length() -> None:
    assert Hypothesis((1, 2, 3), -2.0).mean_logprob == -0.5
    assert np.isclose(Hypothesis().followed_by(1, -1.0).mean_logprob, -0.5)
