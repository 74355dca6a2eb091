"""Recordings of a user's own as clips to score: whatever can be trained on can be judged by.

Where neither data nor user name a language, the script of the text tells Chinese, which is scored by characters; the
others are scored by words, and the recogniser finds their language.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from training.data.transcripts import judged_recordings
from training.errors import DataError
from training.evaluate_speech import Clip

_CHINESE = "zh"


@dataclass(frozen=True)
class OwnClips:
    """What is judged by, and in words what was left out."""

    clips: tuple[Clip, ...]
    notes: tuple[str, ...]


def read_own_clips(root: Path, cache: Path, language: str = "", *, is_by_characters: bool = False) -> OwnClips:
    """The recordings of a folder, a table or a tar; of the test part where there is one.

    Each language is a set of its own.

    Args:
        root: what `training.data.transcripts` reads.
        cache: where a tar is unpacked to.
        language: ISO-639-1, of recordings of which the data say none.
        is_by_characters: whether characters are counted where words would be.

    Raises:
        DataError: there is nothing there, or no transcripts.
    """
    listed, untold = judged_recordings(root, cache)
    notes = [f"{file} was left out: it has no transcript" for file in untold]
    notes += [f"{each.file} was left out: it is not there" for each in listed if not each.file.is_file()]
    told = [(each.language or language or _language_of(each.text), each) for each in listed if each.file.is_file()]
    if not told:
        raise DataError(f"{root} holds no recording that is there and has a transcript")
    is_mixed = len({code for code, _ in told}) > 1
    name = f"test part of {root.name}" if all(each.part == "test" for each in listed) else root.name
    return OwnClips(
        tuple(
            Clip(each.file, code, each.text, f"{name} {code or 'other'}" if is_mixed else name, is_by_characters)
            for code, each in told
        ),
        tuple(notes),
    )


def _language_of(text: str) -> str:
    """`zh` where most letters are Chinese characters and none is Japanese; empty otherwise."""
    names = [unicodedata.name(each, "") for each in text if each.isalpha()]
    if any(each.startswith(("HIRAGANA", "KATAKANA")) for each in names):
        return ""
    return _CHINESE if sum(each.startswith("CJK ") for each in names) * 2 > len(names) else ""
