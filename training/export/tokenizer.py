"""Whisper's tokenizer, from the files that conversions carry to the one file of an artifact.

`tokenizer.json` (of the tokenizers library) has the ordinary tokens, written in GPT-2's byte alphabet; the special ones
and the timestamps are the rest of the vocabulary, in a fixed order behind them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import SourceError

FILE = "tokenizer.json"
_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TIMESTAMPS = 1501
_TIMESTAMP_STEP_S = 0.02


def byte_alphabet() -> dict[str, int]:
    """GPT-2's way to write any byte as one visible character: the printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def convert(tokenizer: bytes, vocabulary_size: int) -> dict[str, Any]:
    """What the artifact's file holds, from the bytes of the tokenizers library's `tokenizer.json`.

    Raises:
        SourceError: it is no such file, or has not as many tokens as the network.
    """
    try:
        content = json.loads(tokenizer)
        ordinary: Mapping[str, int] = content["model"]["vocab"]
        specials = {each["content"]: each["id"] for each in content["added_tokens"]}
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"this tokenizer.json is not one of the tokenizers library: {error}") from error
    texts = {id_: text for text, id_ in ordinary.items() if text not in specials}
    alphabet = byte_alphabet()
    tokens = [bytes(alphabet[each] for each in texts[id_]) for id_ in range(len(texts))]
    specials |= _timestamps(vocabulary_size)
    if len(tokens) + len(specials) != vocabulary_size:
        raise SourceError(f"the tokenizer has {len(tokens) + len(specials)} tokens, the network {vocabulary_size}")
    encoded = [base64.b64encode(each).decode("ascii") for each in tokens]
    return {"pattern": _PATTERN, "tokens": encoded, "specials": dict(sorted(specials.items(), key=lambda e: e[1]))}


def _timestamps(vocabulary_size: int) -> dict[str, int]:
    first = vocabulary_size - _TIMESTAMPS
    return {f"<|{i * _TIMESTAMP_STEP_S:.2f}|>": first + i for i in range(_TIMESTAMPS)}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the artifact's file; the same for the same tokenizer."""
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
