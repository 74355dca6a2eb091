"""The artifact's tokenizer file, from a small tokenizer of the tokenizers library's form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from training.errors import SourceError
from training.export.tokenizer import byte_alphabet, convert

LANGUAGES = ["en", "zh"]
TIMES = 1501


def tokenizer_json(**changes: Any) -> bytes:
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    vocabulary = {letters[byte]: byte for byte in range(256)} | {letters[0x20] + "a": 256, "<|endoftext|>": 257}
    added = [{"id": 257, "content": "<|endoftext|>"}, {"id": 258, "content": "<|startoftranscript|>"}]
    added += [{"id": 259 + i, "content": f"<|{code}|>"} for i, code in enumerate(LANGUAGES)]
    return json.dumps({"model": {"vocab": vocabulary}, "added_tokens": added} | changes).encode()


def size(languages: int) -> int:
    return 257 + 2 + languages + 6 + TIMES


def test_every_byte_has_a_letter_of_its_own() -> None:
    alphabet = byte_alphabet()
    assert sorted(alphabet.values()) == list(range(256))
    assert all(letter.isprintable() for letter in alphabet)


def test_tokens_are_bytes_and_specials_follow_in_their_order() -> None:
    content = convert(tokenizer_json(), size(2))
    tokens = [base64.b64decode(each) for each in content["tokens"]]
    assert tokens == [*(bytes([byte]) for byte in range(256)), b" a"]
    specials = content["specials"]
    assert list(specials)[:6] == [
        "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>",
    ]  # fmt: skip
    assert (specials["<|endoftext|>"], specials["<|0.00|>"], specials["<|30.00|>"]) == (257, 267, 1767)
    assert max(specials.values()) == size(2) - 1


def test_the_large_sizes_know_cantonese() -> None:
    specials = convert(tokenizer_json(), size(3))["specials"]
    assert specials["<|yue|>"] == specials["<|translate|>"] - 1


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"{", "not one of the tokenizers library"), (b"{}", "not one of the tokenizers library")],
)
def test_another_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        convert(data, size(2))


def test_a_network_of_another_size_is_refused() -> None:
    with pytest.raises(SourceError, match="not a multilingual Whisper"):
        convert(tokenizer_json(), size(2) - 1)
