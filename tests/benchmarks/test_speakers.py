"""Speakers by the names of files, and errors summed by speaker."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speakers import by_speaker, speaker_of
from training.error_rate import Edits


@pytest.mark.parametrize(
    ("file", "speaker"),
    [
        ("sentences/aishell-BAC009S0724W0121.wav", "S0724"),
        ("aishell1_S0724/BAC009S0724W0125.wav", "S0724"),
        ("aishell3/SSB00050112.wav", "SSB0005"),
        ("librispeech/1089-134686-0000.flac", "1089"),
        ("ljspeech/LJ001-0012.wav", "LJ"),
        ("commonvoice/common_voice_zh-CN_18531674.wav", "common_voice_zh-CN_18531674"),
        ("misc/jfk.flac", "jfk"),
    ],
)
def test_a_speaker_is_named_by_the_corpus_or_the_recording(file: str, speaker: str) -> None:
    assert speaker_of(Path(file)) == speaker


def test_errors_are_summed_by_speaker() -> None:
    clips = [("1-2-3.flac", Edits(1, 0, 0, 5)), ("x.wav", Edits(0, 1, 0, 4)), ("1-2-4.flac", Edits(0, 0, 2, 6))]
    assert by_speaker([(Path(file), edits) for file, edits in clips]) == [Edits(1, 0, 2, 11), Edits(0, 1, 0, 4)]
