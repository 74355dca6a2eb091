"""Subtitles are well-formed whatever the text and times, and say what was given."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from service.speech.subtitles import Cue, srt, vtt

CUES = [Cue(0.0, 1.5, "你好，世界。"), Cue(3661.0004, 3662.9996, "a < b & c\n\n--> d")]


def test_srt() -> None:
    assert srt(CUES) == (
        "1\n00:00:00,000 --> 00:00:01,500\n你好，世界。\n\n2\n01:01:01,000 --> 01:01:03,000\na < b & c -> d\n"
    )


def test_vtt() -> None:
    assert vtt(CUES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n你好，世界。\n\n"
        "01:01:01.000 --> 01:01:03.000\na &lt; b &amp; c --&gt; d\n"
    )


def test_no_cues() -> None:
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"
    assert srt([Cue(0.0, 1.0, " \n ")]) == ""


cues = st.lists(st.builds(Cue, st.floats(-1, 4e5), st.floats(-1, 4e5), st.text(max_size=40)), max_size=6)
TIMES = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})")


@given(cues)
def test_every_cue_is_three_lines_with_ordered_times(given_cues: list[Cue]) -> None:
    shown = sum(bool("".join(cue.text.replace("\0", " ").split())) for cue in given_cues)
    blocks = srt(given_cues).removesuffix("\n").split("\n\n") if shown else []
    assert len(blocks) == shown
    for number, block in enumerate(blocks, start=1):
        first, times, text = block.split("\n")
        assert first == str(number)
        found = TIMES.fullmatch(times)
        assert found is not None
        assert [int(part) for part in found.groups()[:4]] <= [int(part) for part in found.groups()[4:]]
        assert text.strip()
        assert "-->" not in text


@given(cues)
def test_vtt_lets_no_markup_through(given_cues: list[Cue]) -> None:
    header, *rest = vtt(given_cues).split("\n")
    assert header == "WEBVTT"
    assert not any("<" in line for line in rest)
    assert all(TIMES.fullmatch(line) for line in rest if "-->" in line)
