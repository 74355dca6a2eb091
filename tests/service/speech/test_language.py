"""What clients call languages, and which code that is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidParameter
from service.speech import language
from service.speech.language import language_code, languages_of

# Whisper's, in its order; jw is Javanese as ISO 639 called it until 1989
WHISPER = tuple(
    each
    for line in (
        "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la",
        "mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be",
        "tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su",
    )
    for each in line.split()
)


@pytest.mark.parametrize("code", WHISPER)
def test_a_models_own_codes_are_what_they_are(code: str) -> None:
    assert language_code(code, WHISPER) == code
    assert language_code(f" {code.upper()} ", WHISPER) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("zh-CN", "zh"), ("zh_CN", "zh"), ("zh-Hans-CN", "zh"), ("zh-TW", "zh"), ("ZH-hant", "zh"), ("zho", "zh"),
        ("chi", "zh"), ("cmn", "zh"), ("cmn-Hans-CN", "zh"), ("Chinese", "zh"), ("chinese", "zh"), ("CHINESE", "zh"),
        ("Mandarin", "zh"), ("中文", "zh"), ("普通话", "zh"), ("普通話", "zh"),
        ("en_US", "en"), ("en-GB", "en"), ("eng", "en"), ("English", "en"), ("英语", "en"),
        ("pt-BR", "pt"), ("português", "pt"), ("deu", "de"), ("ger", "de"), ("Deutsch", "de"), ("español", "es"),
        ("Castilian", "es"), ("iw", "he"), ("in", "id"), ("jv", "jw"), ("Javanese", "jw"), ("nb", "no"),
        ("nb-NO", "no"), ("nob", "no"), ("fil", "tl"), ("Haitian  creole", "ht"), ("sr-Latn-RS", "sr"),
        ("arb", "ar"), ("prs", "fa"),
    ],
)  # fmt: skip
def test_other_names_of_a_language_are_understood(text: str, code: str) -> None:
    assert language_code(text, WHISPER) == code


@pytest.mark.parametrize(
    "text",
    ["", "xx", "Klingon", "tlh", "yue", "Cantonese", "no-speech", "en-banana", "zh--CN", "C", "und", "x" * 9999],
)
def test_what_the_model_does_not_know_is_none(text: str) -> None:
    assert language_code(text, WHISPER) is None


def test_a_member_is_known_where_the_model_knows_it_apart() -> None:
    assert language_code("Cantonese", (*WHISPER, "yue")) == "yue"
    assert language_code("yue-HK", (*WHISPER, "yue")) == "yue"
    assert language_code("cmn", (*WHISPER, "cmn")) == "cmn"


@given(st.text(max_size=30))
def test_any_text_is_a_known_code_or_none(text: str) -> None:
    assert language_code(text, WHISPER) in {*WHISPER, None}


def test_every_name_of_the_table_means_one_language() -> None:
    table = tomllib.loads(Path(language.__file__).with_name("languages.toml").read_text("utf-8"))
    assert {"jv" if code == "jw" else code for code in WHISPER} <= table.keys()
    names = [name.casefold() for each in table.values() for name in each]
    assert len(names) == len(set(names))
    for code, called in table.items():
        for name in called:
            assert language_code(name, tuple(table)) == code


@pytest.mark.parametrize("text", ["auto", "Auto", " ", ""])
def test_auto_is_no_restriction(text: str) -> None:
    assert languages_of(text, WHISPER, "m") == ()


def test_a_list_keeps_its_order_and_each_language_once() -> None:
    assert languages_of("Chinese, en_US,zh-CN,eng", WHISPER, "m") == ("zh", "en")


@pytest.mark.parametrize(("text", "named"), [("en,xx", "xx"), ("en,,zh", "an empty code"), ("en,auto", "auto")])
def test_an_unknown_language_is_named(text: str, named: str) -> None:
    with pytest.raises(
        InvalidParameter, match=f"`language`: m does not know {named}; send `auto` or codes such as en, zh"
    ):
        languages_of(text, WHISPER, "m")
