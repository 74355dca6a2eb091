"""The first track with speech is read, whatever stands before it; the looks are bounded."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from service.errors import ClientGone, InvalidParameter, UnsupportedMedia
from service.runner import Array, Arrays, FunctionRunner
from service.speech.model import Options, Recording
from service.speech.tracks import first_spoken
from tests.media import film_with_tracks, tone
from tests.service.speech.test_transcribe import hear
from tests.service.speech.test_transcriber import NotingTranscriber


def hear_deep(feeds: Arrays) -> dict[str, Array]:
    """Whatever is loud is speech, unless it is as shrill as the music of these tests."""
    rows = feeds["input"]
    is_shrill = np.abs(np.diff(rows, axis=1)).mean(axis=1) > 0.5 * np.abs(rows).mean(axis=1)
    return hear({"input": np.where(is_shrill[:, None], 0, rows)})


VOICE = FunctionRunner(hear_deep)
SILENT: Samples = np.zeros(4 * SPEECH_RATE_HZ, np.float32)
MUSIC = tone(4.0, SPEECH_RATE_HZ, 3_000.0)
SPEECH = np.concatenate([SILENT[: SPEECH_RATE_HZ // 2], tone(3.0, SPEECH_RATE_HZ), SILENT[: SPEECH_RATE_HZ // 2]])
WORD = np.concatenate([SILENT[: 2 * SPEECH_RATE_HZ], tone(0.4, SPEECH_RATE_HZ), SILENT[:SPEECH_RATE_HZ]])
AAC, TTA = "aac", "tta"  # of which the second is not read


def chosen(data: bytes, are_readable: Sequence[bool]) -> int | None:
    return first_spoken(io.BytesIO(data), VOICE, lambda: None, are_readable)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "mov"])
@pytest.mark.parametrize("others", [[SILENT], [MUSIC], [SILENT, MUSIC], [SILENT[:8_000]], [np.tile(SILENT, 3)]])
def test_what_says_nothing_is_passed_over(container: str, others: list[Samples]) -> None:
    data = film_with_tracks(container, [*others, SPEECH, SPEECH], [AAC] * (len(others) + 2))
    assert chosen(data, [True] * (len(others) + 2)) == len(others) + 1


@pytest.mark.parametrize(("made", "expected"), [([SPEECH, SILENT], 1), ([WORD, SPEECH], 2), ([SILENT, WORD], 2)])
def test_the_first_with_enough_comes_first_and_little_is_better_than_none(made: list[Samples], expected: int) -> None:
    assert chosen(film_with_tracks("mp4", made, [AAC, AAC]), [True, True]) == expected


def test_where_nobody_speaks_the_file_says_which() -> None:
    assert chosen(film_with_tracks("mp4", [SILENT, MUSIC], [AAC, AAC]), [True, True]) is None


def test_a_damaged_track_is_passed_over() -> None:
    quiet, said = film_with_tracks("matroska", [SILENT, SPEECH], [AAC, AAC]), 2
    assert chosen(quiet, [True, True]) == said
    assert chosen(b"\x1a\x45\xdf\xa3" + bytes(100), [True, True]) is None


def test_no_more_is_listened_to_than_is_allowed() -> None:
    late = np.concatenate([np.tile(SILENT, 80), SPEECH])
    assert chosen(film_with_tracks("mov", [late, WORD], ["pcm_s16le"] * 2), [True, True]) == 2


def test_who_left_is_listened_to_no_further() -> None:
    def stop() -> None:
        raise ClientGone("gone")

    data = film_with_tracks("mp4", [SILENT, SPEECH], [AAC, AAC])
    with pytest.raises(ClientGone):
        first_spoken(io.BytesIO(data), VOICE, stop, [True, True])


def transcribed(data: bytes, track: int | None = None) -> tuple[str, int]:
    found = NotingTranscriber().transcribe(Recording(io.BytesIO(data), Options(track=track)))
    return found.text, round(found.duration_s)


def test_a_recording_is_read_from_its_first_spoken_track_or_the_one_asked_for() -> None:
    data = film_with_tracks("matroska", [SILENT[: 2 * SPEECH_RATE_HZ], SPEECH, WORD], [AAC] * 3)
    assert transcribed(data) == transcribed(data, 2)
    assert transcribed(data)[1] == 4
    assert transcribed(data, 1) == ("", 2)
    assert transcribed(data, 3)[0] not in ("", transcribed(data)[0])


def test_a_track_that_cannot_be_read_is_passed_over_and_refused_by_name() -> None:
    data = film_with_tracks("matroska", [SPEECH, SPEECH], [TTA, AAC])
    assert transcribed(data) == transcribed(data, 2)
    with pytest.raises(UnsupportedMedia, match="codec"):
        transcribed(data, 1)


def test_a_number_that_is_not_there_is_refused_with_how_many_there_are() -> None:
    data = film_with_tracks("mp4", [SILENT, SPEECH], [AAC, AAC])
    for number in (3, -1):
        with pytest.raises(InvalidParameter, match="the file has 2"):
            transcribed(data, number)


def test_the_limit_of_length_is_that_of_the_track_that_is_read() -> None:
    data = film_with_tracks("mp4", [np.tile(SILENT, 30), SPEECH], [AAC, AAC])
    assert transcribed(data)[1] == 4
