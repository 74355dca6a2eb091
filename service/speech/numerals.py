"""How numbers are written: as the model does, in words alone, or in digits.

Words are kept while the model writes: no token is taken that would write a digit or a percent sign. Digits are made
of Chinese words afterwards, by the inverse normaliser of WeNet (wetext); its dates, times and units are those that
it writes (2024/09/01, 2:30, 30%). What a number means in other languages is not known here.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidParameter
from service.speech.text import to_script

Numbers = Literal["as-is", "digits", "words"]

_PERCENT = "%％‰"
_MAX_CHARACTER_TOKENS = 4  # bytes of the longest character in UTF-8, and so the most tokens that may share one
# Numerals in these count nothing, or are no number that the normaliser reads rightly; it knows many more by itself.
_FIXED = re.compile(
    "一目十行|三三两两|三五成群|三六九等|三十六计|三百六十行|三十而立|五光十色|五十步笑百步|七零八落|七七八八|七老八十|"
    "八九不离十|十拿九稳|十万火急|十有八九|十之八九|十面埋伏|十字|百十来|千八百|万八千|二百五十?(?=[的啊吧呀])|"
    "[一二两三四五六七八九十]+点[一三]刻"
)


def numbers_of(text: str, languages: Sequence[str], task: str = "transcribe") -> Numbers:
    """How numbers are to be written, by its name; empty text means as the model writes them.

    Raises:
        InvalidParameter: there is no such way, or not for these languages (none: any may be found) and this task.
    """
    ways: tuple[Numbers, ...] = get_args(Numbers)
    chosen = next((way for way in ways if way == (text or "as-is")), None)
    if chosen is None:
        raise InvalidParameter(f"`numbers` must be one of {', '.join(ways)}")
    if chosen == "digits" and (tuple(languages) != ("zh",) or task != "transcribe"):
        raise InvalidParameter(
            "`numbers`: words are made digits in Chinese alone; send `language` zh with it and no translation, or "
            "leave it out"
        )
    return chosen


def writes_number(text: str) -> bool:
    """Whether a text has a digit of any script (half or full width, raised, in a circle) or a percent sign.

    Han numerals are words: 三十 and 〇 are none.
    """
    return any(unicodedata.category(char) in ("Nd", "No") or char in _PERCENT for char in text)


class NumberTokens:
    """Which tokens write a number, by themselves or with the bytes that stand before them."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._tokens = tokens
        self._behind: dict[bytes, NDArray[np.int64]] = {}
        self.alone = tuple(id_ for id_, token in enumerate(tokens) if writes_number(token.decode("utf-8", "ignore")))
        """Ids of tokens that hold a whole digit or percent sign."""
        # Only these can end a character that others began: bytes 0x80…0xBF go on with one.
        self._continuations = [id_ for id_, token in enumerate(tokens) if token and 0x80 <= token[0] < 0xC0]

    def behind(self, written: Sequence[int]) -> NDArray[np.int64]:
        """Ids that would end a digit whose first bytes the last tokens have written, as full-width ones are."""
        last = b"".join(self._bytes(id_) for id_ in written[-_MAX_CHARACTER_TOKENS:])
        begun = _begun(last)
        found = self._behind.get(begun)
        if found is None:
            found = self._behind[begun] = np.array(
                [
                    id_
                    for id_ in self._continuations
                    if writes_number((begun + self._tokens[id_]).decode("utf-8", "ignore"))
                ],
                np.int64,
            )
        return found

    def _bytes(self, id_: int) -> bytes:
        return self._tokens[id_] if id_ < len(self._tokens) else b" "


def _begun(data: bytes) -> bytes:
    """The first bytes of a character that ends in what follows; empty where the last one is whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    decoder.decode(data)
    return decoder.getstate()[0]


def to_digits(text: str) -> str:
    """Chinese text, simplified or traditional, with its numbers in digits; everything else comes back as it was."""
    plain = to_script(text, "simplified")
    if len(plain) != len(text):
        plain = text
    plain = plain.replace("〇", "零")
    made, end = [], 0
    for fixed in _FIXED.finditer(plain):
        made += [_normalised(plain[end : fixed.start()]), fixed.group()]
        end = fixed.end()
    written = "".join([*made, _normalised(plain[end:])])
    # what the normaliser left alone keeps the script and the form in which it was written, and so do spaces
    changes = SequenceMatcher(None, plain, written, autojunk=False).get_opcodes()
    return "".join(
        text[a:b] if kind == "equal" or (kind == "delete" and plain[a:b].isspace()) else written[c:d]
        for kind, a, b, c, d in changes
    )


def _normalised(text: str) -> str:
    return str(_normaliser().normalize(text)) if text else ""


@cache
def _normaliser() -> Any:
    """Importing it takes most of a second and some 60 MB, so that only who asks for digits pays."""
    from wetext import Normalizer  # noqa: PLC0415 - see above

    return Normalizer(lang="zh", operator="itn")
