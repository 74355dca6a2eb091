"""Normalisers: what of a transcript counts when it is scored. A figure names the one it was taken with.

"basic" follows the basic normaliser of the Whisper paper (appendix C): case, punctuation and spacing do not count,
spelling and the way numbers are written do. "chinese" scores characters: script, width, case, punctuation and spaces
do not count. Bracketed words are kept in both, since a recogniser that writes brackets must not be spared them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import cache

import opencc

Tokens = tuple[str, ...]
_NO_LETTERS = "MPSZC"  # first letters of the Unicode categories: marks, punctuation, symbols, separators, control


def basic_words(text: str) -> Tokens:
    """The words of a text: NFKC, lower case, everything but letters and digits is a gap between words."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return tuple("".join(" " if _is_no_letter(char) else char for char in folded).split())


def chinese_characters(text: str) -> Tokens:
    """The characters of a text: NFKC, Simplified, lower case, nothing but letters and digits."""
    folded = _to_simplified().convert(unicodedata.normalize("NFKC", text)).lower()
    # OpenCC leaves 著, with which traditional writing has the particle 着: 隨著 and 随着 are spelt differently only.
    return tuple(char for char in folded.replace("著", "着") if not _is_no_letter(char))


NORMALISERS: Mapping[str, Callable[[str], Tokens]] = {"basic": basic_words, "chinese": chinese_characters}


def _is_no_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in _NO_LETTERS


@cache
def _to_simplified() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")
