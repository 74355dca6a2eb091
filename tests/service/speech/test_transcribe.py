"""A recording's way through windows to segments, with a desk and a detector that are tables."""

from __future__ import annotations

import io
import itertools
import wave
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from service.admission import Job
from service.errors import ClientGone, UnsupportedMedia
from service.runner import Array, Arrays, FunctionRunner
from service.speech.decode import AudioLimits
from service.speech.model import Options, Recording, Transcript
from service.speech.punctuation import Punctuated
from service.speech.tokenizer import Tokenizer
from service.speech.transcribe import WhisperTranscriber
from service.speech.whisper import Decoding
from tests.service.speech.chain import ChainDesk
from tests.service.speech.test_whisper import (
    EN,
    END,
    FIRST,
    JA,
    LETTER_I,
    NO_SPEECH,
    START,
    SURE,
    TRANSCRIBE,
    TRANSLATE,
    ZH,
    H,
    Table,
)
from tests.whispers import SPECIALS

RATE_HZ = 16_000


def wav(*stretches: tuple[float, float]) -> io.BytesIO:
    """Stretches of level and seconds; the detector below hears loud ones as speech."""
    samples = np.concatenate([np.full(round(seconds * RATE_HZ), level) for level, seconds in stretches])
    samples[1::2] *= -1  # a constant level would be an offset
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return io.BytesIO(buffer.getvalue())


def hear(feeds: Arrays) -> dict[str, Array]:
    loud = (np.abs(feeds["input"]).mean(axis=1) > 0.1).astype(np.float32)
    state = np.zeros((1, 1, 128), np.float32)
    return {"speech_probs": loud, "hn": state, "cn": state}


class Listening:
    """A listener whose desks are chains; remembers them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.desks: list[ChainDesk] = []

    def desk(self, rows: int) -> ChainDesk:
        assert rows == 5
        self.desks.append(ChainDesk(self._table, 256 + len(SPECIALS)))
        return self.desks[-1]


NOT_PUNCTUATED, PUNCTUATED = Punctuated(), Punctuated(frozenset({"zh"}))


def transcriber(
    listening: Listening,
    max_audio_s: float = 100.0,
    timeout_per_audio_s: float = 1.0,
    punctuated: Punctuated = NOT_PUNCTUATED,
) -> WhisperTranscriber:
    return WhisperTranscriber(
        listening,
        FunctionRunner(hear),
        Tokenizer(r"\S+|\s+", [bytes([byte]) for byte in range(256)], SPECIALS),
        Decoding((), (), punctuated=punctuated),
        beam_size=1,
        limits=AudioLimits(max_audio_s),
        timeout_per_audio_s=timeout_per_audio_s,
        clock=itertools.count().__next__,
    )


def transcribed(table: Table, audio: io.BytesIO, **options: object) -> tuple[Transcript, ChainDesk]:
    return punctuated(table, audio, NOT_PUNCTUATED, **options)


def punctuated(table: Table, audio: io.BytesIO, which: Punctuated, **options: object) -> tuple[Transcript, ChainDesk]:
    listening = Listening(table)
    result = transcriber(listening, punctuated=which).transcribe(Recording(audio, Options(**options)))  # type: ignore[arg-type]  # by name
    return result, listening.desks[0]


def test_silence_is_nothing_and_the_recogniser_is_not_asked() -> None:
    result, desk = transcribed(SURE, wav((0.0, 5.0)))
    assert (result.text, result.segments, desk.begun) == ("", (), [])
    assert result.duration_s == pytest.approx(5.0)
    assert (result.language, result.language_probability) == (None, 0.0)
    given, _ = transcribed(SURE, wav((0.0, 5.0)), languages=("zh",))
    assert (given.language, given.language_probability) == ("zh", 1.0)


def test_times_are_those_of_the_recording() -> None:
    result, _ = transcribed(SURE, wav((0.0, 10.0), (0.5, 1.1), (0.0, 10.0), (0.5, 1.1), (0.0, 2.0)))
    assert result.text == "hi hi"
    assert [round(each.start_s, 1) for each in result.segments] == [9.2, 20.3]
    assert [round(each.end_s - each.start_s, 1) for each in result.segments] == [1.0, 1.0]
    assert result.language == "en"
    assert result.language_probability == pytest.approx(0.6)


def test_a_given_language_is_not_detected() -> None:
    result, desk = transcribed(SURE, wav((0.5, 2.0)), languages=("ja",))
    assert (result.language, result.language_probability) == ("ja", 1.0)
    assert desk.begun == [[START, JA, TRANSCRIBE]]


def test_a_language_is_detected_within_a_list() -> None:
    result, desk = transcribed(SURE, wav((0.5, 2.0)), languages=("zh", "ja"))
    assert result.language == "zh"
    assert desk.begun == [[START], [START, ZH, TRANSCRIBE]]


def test_the_second_window_leans_on_the_first() -> None:
    _, desk = transcribed(SURE, wav((0.5, 2.0), (0.0, 10.0), (0.5, 2.0)), languages=("en",), prompt="yo")
    prompt = [SPECIALS["<|startofprev|>"], *b" yo"]
    assert desk.readings[0] == [*prompt, START, EN, TRANSCRIBE]
    assert desk.readings[1] == [*prompt, FIRST, *b"hi", FIRST + 50, START, EN, TRANSCRIBE]


def test_text_of_a_window_judged_silent_does_not_stand_before_the_next() -> None:
    """20 letters of equal probability over a sound that is probably no speech: nothing is said there."""
    letters = dict.fromkeys(range(40, 240), 1 / 200)
    empty = {**SURE, START: {NO_SPEECH: 0.9, EN: 0.1}, FIRST: letters}
    table = {**empty, **{letter: {FIRST + 50: 1.0} for letter in letters}}
    result, desk = transcribed(table, wav((0.5, 2.0), (0.0, 10.0), (0.5, 2.0)), languages=("en",), prompt="yo")
    assert (result.text, len(desk.readings)) == ("", 2)
    assert desk.readings == [[SPECIALS["<|startofprev|>"], *b" yo", START, EN, TRANSCRIBE]] * 2


def test_a_sparse_reading_does_not_stand_before_those_of_its_parts() -> None:
    """Two letters for eight seconds of speech: both halves are read in its place, and know only each other."""
    long = {**SURE, LETTER_I: {FIRST + 600: 1.0}, FIRST + 600: {END: 1.0}}
    result, desk = transcribed(long, wav((0.5, 4.0), (0.0, 0.4), (0.5, 4.0)), languages=("en",), prompt="yo")
    orders = [START, EN, TRANSCRIBE]
    prompt = [SPECIALS["<|startofprev|>"], *b" yo"]
    assert result.text == "hi hi"
    assert desk.readings == [[*prompt, *orders]] * 2 + [[*prompt, FIRST, *b"hi", FIRST + 600, *orders]]


def test_marks_are_in_the_text_and_stand_before_nothing() -> None:
    """Chinese gets marks and keeps its times; the next window leans on what was read, not on what was added."""
    digits: Table = {**SURE, FIRST: {ord("1"): 1.0}, **{ord(digit): {ord(digit) + 1: 1.0} for digit in "123"}}
    table = {**digits, ord("4"): {FIRST + 50: 0.97, ord("?"): 0.02}, ord("?"): {FIRST + 50: 1.0}}
    audio = wav((0.5, 1.1), (0.0, 10.0), (0.5, 1.1)).getvalue()
    plain, plain_desk = transcribed(table, io.BytesIO(audio), languages=("zh",), prompt="yo")
    shown: list[dict[str, object]] = [{}, {"script": "as-is"}, {"script": "traditional"}, {"has_timestamps": False}]
    for wishes in shown:
        found, desk = punctuated(table, io.BytesIO(audio), PUNCTUATED, languages=("zh",), prompt="yo", **wishes)
        assert (plain.text, found.text) == ("1234 1234", "1234？1234？")
        assert [replace(each, text=each.text.rstrip("？")) for each in found.segments] == list(plain.segments)
        assert desk.begun == plain_desk.begun
    unmarked: list[dict[str, object]] = [{"languages": ("en",)}, {"languages": ("zh",), "task": "translate"}]
    for wishes in unmarked:
        found, _ = punctuated({**table, TRANSLATE: {FIRST: 1.0}}, io.BytesIO(audio), PUNCTUATED, **wishes)
        assert found.text == "1234 1234"
    silent, desk = punctuated(table, wav((0.0, 5.0)), PUNCTUATED, languages=("zh",))
    assert (silent.text, desk.begun) == ("", [])


def test_what_lies_behind_where_the_model_stopped_is_read_too() -> None:
    pair = {**SURE, FIRST + 50: {FIRST + 51: 1.0}, FIRST + 51: {END: 1.0}}
    # behind a pair of times the rules want text, or the end: the model stops at 1 s of a window of 4 s
    result, desk = transcribed(pair, wav((0.5, 4.0)), languages=("en",))
    lengths = [round(len(samples) / RATE_HZ, 2) for samples in desk.heard]
    assert lengths == sorted(lengths, reverse=True)
    assert len(lengths) > 1
    assert lengths[0] - lengths[1] == pytest.approx(1.0, abs=0.05)
    assert result.text.split() == ["hi"] * len(lengths)


def test_a_sentence_behind_the_last_time_is_read_from_its_pause_on() -> None:
    """The model ends at 1 s, right behind the beginning of the next sentence."""
    result, desk = transcribed(SURE, wav((0.5, 0.7), (0.0, 0.6), (0.5, 2.5)), languages=("en",))
    assert result.text == "hi hi hi"
    assert [len(samples) / RATE_HZ for samples in desk.heard] == pytest.approx([3.8, 2.8, 1.8], abs=0.05)
    assert [each.start_s for each in result.segments] == pytest.approx([0.0, 1.0, 2.0], abs=0.05)


def test_up_to_a_second_behind_the_last_time_is_not_read_again() -> None:
    _, desk = transcribed(SURE, wav((0.5, 1.9)), languages=("en",))
    assert len(desk.heard) == 1


def word(letters: bytes, end: int) -> Table:
    """The model writes these letters, each of them once, up to a time."""
    following = [*letters[1:], end]
    written: Table = {letter: {after: 1.0} for letter, after in zip(letters, following, strict=True)}
    return {**SURE, FIRST: {letters[0]: 1.0}, **written, end: {END: 1.0}}


def test_a_text_that_is_stretched_over_the_next_sentence_is_read_in_parts() -> None:
    """Nine letters take 0.8 s to say, and 3.6 s were heard: each half says as much."""
    audio = wav((0.5, 1.8), (0.0, 0.6), (0.5, 1.8)).getvalue()
    result, desk = transcribed(word(b"abcdefghi", FIRST + 210), io.BytesIO(audio), languages=("en",))
    assert result.text == "abcdefghi abcdefghi"
    assert [len(samples) / RATE_HZ for samples in desk.heard] == pytest.approx([4.2, 2.1, 2.1], abs=0.05)
    assert desk.readings[1] == desk.readings[0]  # the text that was given up stands before nothing


def test_a_text_stays_where_its_parts_say_no_more() -> None:
    audio = wav((0.5, 1.8), (0.0, 0.6), (0.5, 1.8), (0.0, 10.0), (0.5, 0.5))
    result, desk = transcribed(word(b"hi", FIRST + 210), audio, languages=("en",))
    assert result.text == "hi hi"
    assert len(desk.heard) == 4
    assert desk.readings[3] == [SPECIALS["<|startofprev|>"], FIRST, *b"hi", FIRST + 210, START, EN, TRANSCRIBE]


def test_what_was_heard_between_two_passages_is_read_and_stands_between_them() -> None:
    """The first and the third of three sentences are written."""
    table = {**word(b"ab", FIRST + 50), FIRST + 50: {FIRST + 200: 1.0}, FIRST + 200: {ord("c"): 1.0}}
    table |= {ord("c"): {ord("d"): 1.0}, ord("d"): {FIRST + 250: 1.0}, FIRST + 250: {END: 1.0}}
    audio = wav((0.5, 1.0), (0.0, 0.4), (0.5, 2.2), (0.0, 0.4), (0.5, 1.0))
    result, desk = transcribed(table, audio, languages=("en",))
    starts = [each.start_s for each in result.segments]
    assert starts == sorted(starts)
    assert len(desk.heard) > 1
    assert result.segments[0].text == "ab"
    assert result.segments[-1].text == "cd"
    assert any(1.0 < start < 4.0 for start in starts)


def test_a_window_that_loops_is_read_in_parts_and_a_loop_is_never_answered() -> None:
    result, desk = transcribed({**SURE, H: {H: 1.0}}, wav((0.5, 4.0), (0.0, 0.5), (0.5, 4.0)), languages=("en",))
    halves = [len(samples) / RATE_HZ for samples in desk.heard]  # of halves, and no more
    assert len(halves) == 7
    assert halves[0] == pytest.approx(halves[1] + halves[4]) == pytest.approx(8.5)
    assert halves[1] == pytest.approx(halves[2] + halves[3])
    assert halves[4] == pytest.approx(halves[5] + halves[6])
    assert result.text.split() == ["h"] * 4


def test_chinese_is_written_as_asked() -> None:
    character = "發".encode()
    table = {**SURE, TRANSCRIBE: {FIRST: 1.0}, FIRST: {character[0]: 1.0}, character[0]: {character[1]: 1.0},
             character[1]: {character[2]: 1.0}, character[2]: {FIRST + 50: 1.0}}  # fmt: skip
    audio = wav((0.5, 2.0)).getvalue()

    def text(**options: object) -> str:
        return transcribed(table, io.BytesIO(audio), **options)[0].text

    assert text(languages=("zh",)) == "发"
    assert text(languages=("zh",), script="traditional") == "發"
    assert text(languages=("zh",), script="as-is") == "發"
    assert text(languages=("ja",)) == "發"


def test_numbers_are_written_as_asked() -> None:
    """The model takes 30 for likelier than 三十."""
    words = "三十".encode()
    table: Table = {
        **SURE,
        FIRST: {ord("3"): 0.6, words[0]: 0.4},
        ord("3"): {ord("0"): 1.0},
        ord("0"): {FIRST + 50: 1.0},
        **{byte: {following: 1.0} for byte, following in zip(words, [*words[1:], FIRST + 50], strict=True)},
    }
    audio = wav((0.5, 2.0)).getvalue()

    def text(**options: object) -> str:
        return transcribed(table, io.BytesIO(audio), languages=("zh",), **options)[0].text

    assert text() == "30"
    assert text(numbers="words") == "三十"
    only_words = {**table, FIRST: {words[0]: 1.0}}
    result, _ = transcribed(only_words, io.BytesIO(audio), languages=("zh",), numbers="digits")
    assert result.text == "30"


def test_a_translation_is_asked_for_and_is_english() -> None:
    _, desk = transcribed({**SURE, TRANSLATE: {FIRST: 1.0}}, wav((0.5, 2.0)), languages=("zh",), task="translate")
    assert desk.begun == [[START, ZH, TRANSLATE]]


def test_the_language_of_a_window_without_words_is_forgotten() -> None:
    quiet = {**SURE, TRANSCRIBE: {FIRST: 1.0}, FIRST: {ord(" "): 1.0}, ord(" "): {FIRST + 50: 1.0}}
    _, desk = transcribed(quiet, wav((0.5, 2.0), (0.0, 10.0), (0.5, 2.0)))
    assert [each for each in desk.begun if each == [START]] == [[START], [START]]


@pytest.mark.parametrize("allowed_calls", [0, 1, 3, 6])
def test_unwanted_work_stops(allowed_calls: int) -> None:
    calls = itertools.count()
    endless = {**SURE, H: {H: 1.0}}
    with pytest.raises(ClientGone):
        transcriber(Listening(endless)).transcribe(
            Recording(wav((0.5, 20.0)), Options(languages=("en",))), lambda: next(calls) >= allowed_calls
        )


def job_of(audio: io.BytesIO, run_s: float | None = 5.0) -> Job[Recording, Transcript]:
    job: Job[Recording, Transcript] = Job(Recording(audio, Options()), 0.0, 100.0, run_s=run_s)
    job.begin(10.0)
    return job


def test_the_deadline_grows_with_the_audio() -> None:
    job, fixed = job_of(wav((0.0, 8.0))), job_of(wav((0.0, 8.0)), run_s=None)
    transcriber(Listening(SURE), timeout_per_audio_s=2.0).run([job, fixed])
    assert job.deadline == pytest.approx(10 + 5 + 16)
    assert fixed.deadline == 100.0


def test_a_recording_that_cannot_be_read_fails_alone() -> None:
    outcomes = transcriber(Listening(SURE)).run([job_of(io.BytesIO(b"no media")), job_of(wav((0.5, 2.0)))])
    assert isinstance(outcomes[0], UnsupportedMedia)
    assert isinstance(outcomes[1], Transcript)
    assert outcomes[1].text == "hi"


def test_a_lane_keeps_its_desk() -> None:
    listening = Listening(SURE)
    worker = transcriber(listening)
    run: Callable[[], object] = lambda: worker.run([job_of(wav((0.5, 2.0)))])  # noqa: E731 - twice below
    run()
    run()
    assert len(listening.desks) == 1
