"""Whisper's tokenizer, from the files that conversions carry to the one file of an artifact.

`tokenizer.json` (of the tokenizers library) has the ordinary tokens, written in GPT-2's byte alphabet; the special
ones and the timestamps are the rest of the vocabulary, in a fixed order behind them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import SourceError

FILE = "tokenizer.json"
_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TIMESTAMPS = 1501
_TIMESTAMP_STEP_S = 0.02
_SPECIAL = re.compile(r"<\|.*\|>")
_LANGUAGE = re.compile(r"<\|[a-z]{2,3}\|>")
_BEFORE_LANGUAGES = ("<|endoftext|>", "<|startoftranscript|>")
_LATER_LANGUAGES = ("<|yue|>",)
_BEHIND_LANGUAGES = (
    "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip


def byte_alphabet() -> dict[str, int]:
    """GPT-2's way to write any byte as one visible character: the printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def convert(tokenizer: bytes, vocabulary_size: int) -> dict[str, Any]:
    """What the artifact's file holds, from the bytes of the tokenizers library's `tokenizer.json`.

    `vocabulary_size` is the network's: the large sizes know one language more than the file.

    Raises:
        SourceError: it is no such file, or the network is not of a multilingual Whisper.
    """
    try:
        content = json.loads(tokenizer)
        texts = {id_: text for text, id_ in content["model"]["vocab"].items() if not _SPECIAL.fullmatch(text)}
        added = {each["id"]: each["content"] for each in content["added_tokens"]}
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"this tokenizer.json is not one of the tokenizers library: {error}") from error
    alphabet = byte_alphabet()
    tokens = [bytes(alphabet[each] for each in texts[id_]) for id_ in range(len(texts))]
    languages = [added[id_] for id_ in sorted(added) if _LANGUAGE.fullmatch(added[id_])]
    for later in ((), _LATER_LANGUAGES):
        names = [*_BEFORE_LANGUAGES, *languages, *later, *_BEHIND_LANGUAGES, *_timestamps()]
        if len(tokens) + len(names) == vocabulary_size:
            encoded = [base64.b64encode(each).decode("ascii") for each in tokens]
            specials = {name: len(tokens) + place for place, name in enumerate(names)}
            return {"pattern": _PATTERN, "tokens": encoded, "specials": specials}
    raise SourceError(f"a network with {vocabulary_size} tokens is not a multilingual Whisper")


def _timestamps() -> list[str]:
    return [f"<|{place * _TIMESTAMP_STEP_S:.2f}|>" for place in range(_TIMESTAMPS)]


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the artifact's file; the same for the same tokenizer."""
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
