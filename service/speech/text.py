"""What is done to recognised text: Chinese script, Chinese punctuation, and joining pieces into one text.

Scripts are converted by OpenCC character by character and phrase by phrase; words are not exchanged for those of
another region. The functions look at characters, not at languages, except that only Chinese may be converted:
Japanese shares the characters, and conversion would corrupt it. Nothing here knows segments or times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

import opencc

ChineseScript = Literal["simplified", "traditional", "as-is"]
_CONFIGURATIONS = {"simplified": "t2s", "traditional": "s2t"}
CHINESE = frozenset({"zh", "yue"})

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# Han, kana, and the full-width and ideographic punctuation: writing that puts no spaces between words.
_UNSPACED = re.compile(rf"[{_HAN}\u3000-\u303f\u3040-\u30ff\u31f0-\u31ff\uff00-\uffef]")
_FULL_WIDTH = {",": "，", "?": "？", "!": "！", ";": "；", ":": "：", ".": "。"}
# A mark right behind a Han character belongs to Chinese text; a dot only where no number or word goes on after it.
_HALF_WIDTH_MARK = re.compile(rf"(?<=[{_HAN}])(?:[,?!;:]|\.(?![\w.]))[ ]?")


def to_script(text: str, script: ChineseScript, language: str = "zh") -> str:
    """Chinese text in one script; "as-is", and text of another language, come back unchanged."""
    if script == "as-is" or language not in CHINESE:
        return text
    return str(_converter(script).convert(text))


@cache
def _converter(script: str) -> opencc.OpenCC:
    """Loading takes some milliseconds and its dictionaries stay; a converter may be shared by threads."""
    return opencc.OpenCC(_CONFIGURATIONS[script])


def widen_punctuation(text: str) -> str:
    """ASCII marks behind Han characters as Chinese writes them (你好, → 你好，); all other marks stay."""
    return _HALF_WIDTH_MARK.sub(lambda found: _FULL_WIDTH[found.group()[0]], text)


def join(pieces: Iterable[str]) -> str:
    """One text from consecutive pieces: a space between them, except where Chinese or Japanese meets anything."""
    joined = ""
    for piece in (piece.strip() for piece in pieces):
        if joined and piece and not _touches_unspaced(joined[-1], piece[0]):
            joined += " "
        joined += piece
    return joined


def _touches_unspaced(left: str, right: str) -> bool:
    return bool(_UNSPACED.match(left) or _UNSPACED.match(right))
