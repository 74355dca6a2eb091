"""What is done to recognised text: Chinese script, Chinese punctuation, and joining pieces into one text.

Scripts are converted by OpenCC character by character and phrase by phrase; words are not exchanged for those of
another region. Whisper mixes scripts within a sentence, so nothing takes for granted which one it is given. The
functions look at characters, not at languages, except that only Chinese may be converted: Japanese shares the
characters, and conversion would corrupt it. Nothing here knows segments or times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

import opencc

from service.speech.particles import with_particles

ChineseScript = Literal["simplified", "traditional", "as-is"]
# Hong Kong's configuration is the general one with some characters more (衞, 衹); Taiwan's turns 么 into 幺.
_TO_SIMPLIFIED, _TO_TRADITIONAL = "hk2s", "s2t"
# Characters that the mainland's standard has not, and that OpenCC leaves.
_MAINLAND = (("甚么", "什么"), ("妳", "你"), ("牠", "它"))
CHINESE = frozenset({"zh", "yue"})

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# Han, kana, and the full-width and ideographic punctuation: writing that puts no spaces between words.
_UNSPACED = re.compile(rf"[{_HAN}\u3000-\u303f\u3040-\u30ff\u31f0-\u31ff\uff00-\uffef]")
_IS_HAN = re.compile(rf"[{_HAN}]")
_FULL_WIDTH = {",": "，", "?": "？", "!": "！", ";": "；", ":": "：", ".": "。"}
# A mark right behind a Han character belongs to Chinese text; a dot only where no number or word goes on after it.
_HALF_WIDTH_MARK = re.compile(rf"(?<=[{_HAN}])(?:[,?!;:]|\.(?![\w.]))[ ]?")


def is_han(char: str) -> bool:
    """Whether a character is one of those that Chinese is written with; marks and digits are none."""
    return _IS_HAN.fullmatch(char) is not None


def to_script(text: str, script: ChineseScript, language: str = "zh") -> str:
    """Chinese text in one script; "as-is", and text of another language, come back unchanged."""
    if script == "as-is" or language not in CHINESE:
        return text
    return _simplified(text) if script == "simplified" else _traditional(text)


def _simplified(text: str) -> str:
    converted = with_particles(_converted(text, _TO_SIMPLIFIED))
    for one, other in _MAINLAND:
        converted = converted.replace(one, other)
    return converted


def _traditional(text: str) -> str:
    """By way of simplified text, which OpenCC's phrases are made of; what is traditional already stays as it is.

    Read as simplified, traditional text loses: 萬里 has the 里 of 這裏, and would become 萬裏.
    """
    simplified = _converted(text, _TO_SIMPLIFIED)
    converted = _converted(simplified, _TO_TRADITIONAL)
    if not len(text) == len(simplified) == len(converted):
        return converted
    return "".join(
        given if _is_traditional_of(given, plain) else made
        for given, plain, made in zip(text, simplified, converted, strict=True)
    )


def _is_traditional_of(character: str, simplified: str) -> bool:
    return character != simplified and _converted(character, _TO_SIMPLIFIED) == simplified


def _converted(text: str, configuration: str) -> str:
    return str(_converter(configuration).convert(text))


@cache
def _converter(configuration: str) -> opencc.OpenCC:
    """Loading takes some milliseconds and its dictionaries stay; a converter may be shared by threads."""
    return opencc.OpenCC(configuration)


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
