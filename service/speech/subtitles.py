"""Subtitles: cues of text with times, written as SubRip (.srt) or WebVTT (W3C).

Any text is safe: line breaks become spaces, because a blank line would end a cue, and what WebVTT takes for markup is
escaped. Times are milliseconds, never negative, and a cue never ends before it starts. It does not know recognition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Cue(NamedTuple):
    """One subtitle; times in seconds."""

    start_s: float
    end_s: float
    text: str


def srt(cues: Iterable[Cue]) -> str:
    """SubRip: numbered from 1, comma before the milliseconds. Cues without text are left out."""
    shown = [cue for cue in map(_one_line, cues) if cue.text]
    return "\n".join(
        f"{number}\n{_times(cue, ',')}\n{_plain(cue.text)}\n" for number, cue in enumerate(shown, start=1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT: its header, then the cues, a point before the milliseconds. Cues without text are left out."""
    shown = [cue for cue in map(_one_line, cues) if cue.text]
    return "\n".join(["WEBVTT\n", *(f"{_times(cue, '.')}\n{_escaped(cue.text)}\n" for cue in shown)])


def _one_line(cue: Cue) -> Cue:
    return cue._replace(text=" ".join(cue.text.replace("\0", " ").split()))


def _plain(text: str) -> str:
    """SubRip has no escape, and an arrow could be taken for a line of times."""
    return text.replace("-->", "->")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _times(cue: Cue, separator: str) -> str:
    start_ms = max(0, round(cue.start_s * 1000))
    end_ms = max(start_ms, round(cue.end_s * 1000))
    return f"{_clock(start_ms, separator)} --> {_clock(end_ms, separator)}"


def _clock(total_ms: int, separator: str) -> str:
    seconds, ms = divmod(total_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{ms:03}"
