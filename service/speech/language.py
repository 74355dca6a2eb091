"""Which language a client means: by code, by tag, or by name.

Models know their languages by one code each (Whisper's are ISO 639-1 of different years). People and programs send
`zh`, `zh-CN`, `zh_Hans`, `zho`, `cmn`, `Chinese` or 中文. Codes and tags are read by the rules of BCP 47 (region and
script do not change what is spoken; a member stands for its macrolanguage), names by the table beside this file.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from langcodes import Language
from langcodes.tag_parser import LanguageTagError

from service.errors import InvalidParameter

AUTO = "auto"
_SHOWN_CODES = 8
_SHOWN_CHARACTERS = 20
_LONGEST = 100  # characters of a code, tag or name


def languages_of(text: str, known: Collection[str], model: str) -> tuple[str, ...]:
    """The codes, among those that a model knows, of a comma list of languages; none for `auto` and for no text.

    Raises:
        InvalidParameter: a language is unknown to the model.
    """
    if text.strip().casefold() in ("", AUTO):
        return ()
    codes = []
    for each in text.split(","):
        code = language_code(each, known)
        if code is None:
            name = each.strip()[:_SHOWN_CHARACTERS] or "an empty code"
            codes_known = ", ".join(list(known)[:_SHOWN_CODES])
            raise InvalidParameter(
                f"`language`: {model} does not know {name}; send `auto` or codes such as {codes_known} "
                "(/models has them all)"
            )
        codes.append(code)
    return tuple(dict.fromkeys(codes))


def language_code(text: str, known: Collection[str]) -> str | None:
    """The code among `known` of the language that the text means; None where there is none."""
    word = _folded(text)
    if word in known:
        return word
    meant = _names().get(word) or _base(word)
    if meant is None:
        return None
    by_meaning = {_base(code): code for code in known}
    wider = _names().get(meant) or Language.get(meant).prefer_macrolanguage().language
    return by_meaning.get(meant) or by_meaning.get(wider)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text[:_LONGEST]).casefold().split())


def _base(tag: str) -> str | None:
    """The language of a code or tag, in today's shortest code; None where it is no valid tag."""
    try:
        language = Language.get(tag)
    except LanguageTagError:
        return None
    return language.language if language.is_valid() else None


@cache
def _names() -> Mapping[str, str | None]:
    """Folded names of languages → the code in the form that `_base` gives."""
    table = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))
    return MappingProxyType({_folded(name): _base(code) for code, names in table.items() for name in names})
