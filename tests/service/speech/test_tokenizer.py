"""Tokens to text and back, whole characters only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import ArtifactRefused
from service.speech.tokenizer import Specials, Tokenizer
from tests.whispers import LANGUAGES, SPECIALS, TOKENIZER


def tokenizer() -> Tokenizer:
    return Tokenizer(r"\S+|\s+", [bytes([byte]) for byte in range(256)], SPECIALS)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_text_comes_back(text: str) -> None:
    encodable = text.encode("utf-8", "ignore").decode()
    assert tokenizer().decode(tokenizer().encode(encodable)) == encodable


@settings(deadline=None)
@given(st.lists(st.integers(0, 256 + len(SPECIALS) - 1), max_size=40))
def test_any_tokens_make_whole_characters(ids: list[int]) -> None:
    text = tokenizer().decode(ids)
    assert "�" not in text


def test_half_a_character_is_left_out() -> None:
    assert tokenizer().decode([*"好".encode()[:2], ord("a")]) == "a"


def test_names_of_special_tokens_are_only_text() -> None:
    assert all(each < 256 for each in tokenizer().encode("<|endoftext|>"))


def test_times() -> None:
    assert tokenizer().seconds(SPECIALS["<|0.00|>"]) == 0.0
    assert tokenizer().seconds(SPECIALS["<|29.98|>"]) == 29.98
    assert tokenizer().seconds(SPECIALS["<|notimestamps|>"]) is None


def test_specials_are_found_by_name() -> None:
    specials = Specials.of(SPECIALS)
    assert tuple(specials.languages) == LANGUAGES
    assert specials.end == 256
    assert (
        Specials.of({**{k: v for k, v in SPECIALS.items() if k != "<|nospeech|>"}, "<|nocaptions|>": 9}).no_speech
        == 9
    )


@pytest.mark.parametrize("name", ["<|nospeech|>", "<|0.00|>", "<|endoftext|>"])
def test_a_missing_special_is_refused(tmp_path: Path, name: str) -> None:
    specials = {key: value for key, value in SPECIALS.items() if key != name}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**TOKENIZER, "specials": specials}), "utf-8")
    with pytest.raises(ArtifactRefused, match="not a tokenizer"):
        Tokenizer.read(tmp_path / "tokenizer.json")


def test_control_words_are_neither_text_nor_times_nor_the_end() -> None:
    control = set(tokenizer().words_of_control())
    assert control == set(range(257, SPECIALS["<|0.00|>"]))
