"""Whisper's vocabulary: text to token ids and back, and the ids that mean something other than text.

The file is the artifact's `tokenizer.json`: `pattern` (how text is divided before pairs of bytes are merged),
`tokens` (the bytes of every ordinary token, base64, in the order of their ids) and `specials` (name to id).
tiktoken does the merging. How tokens are chosen is not known here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tiktoken

from service.errors import ArtifactRefused
from service.speech.numerals import NumberTokens

TIMESTAMP_STEP_S = 0.02
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")


@dataclass(frozen=True)
class Specials:
    """Ids of the tokens that steer the model."""

    end: int
    start: int
    transcribe: int
    translate: int
    previous: int
    """Text that stands before the window follows."""
    no_speech: int
    no_timestamps: int
    first_timestamp: int
    """0.00 s; each next id is `TIMESTAMP_STEP_S` later, up to the end of the vocabulary."""
    languages: Mapping[str, int]
    """By ISO-639-1 code."""

    @classmethod
    def of(cls, ids: Mapping[str, int]) -> Specials:
        """From the names that OpenAI's checkpoints and their conversions use.

        Raises:
            KeyError: one is missing.
        """
        no_speech = next((ids[name] for name in ("<|nospeech|>", "<|nocaptions|>") if name in ids), None)
        if no_speech is None:
            raise KeyError("<|nospeech|>")
        start, translate = ids["<|startoftranscript|>"], ids["<|translate|>"]
        codes = {found[1]: id_ for name, id_ in ids.items() if (found := _LANGUAGE.fullmatch(name))}
        return cls(
            end=ids["<|endoftext|>"],
            start=start,
            transcribe=ids["<|transcribe|>"],
            translate=translate,
            previous=ids["<|startofprev|>"],
            no_speech=no_speech,
            no_timestamps=ids["<|notimestamps|>"],
            first_timestamp=ids["<|0.00|>"],
            languages={code: id_ for code, id_ in codes.items() if start < id_ < translate},
        )


class Tokenizer:
    """Ordinary tokens and special ones; may be shared by threads."""

    def __init__(self, pattern: str, tokens: Sequence[bytes], specials: Mapping[str, int]) -> None:
        ranks = {token: id_ for id_, token in enumerate(tokens) if token}
        self._encoding = tiktoken.Encoding("whisper", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        self._tokens = tokens
        self.specials = Specials.of(specials)
        self.size = max(len(tokens), max(specials.values()) + 1)

    @classmethod
    def read(cls, path: Path) -> Tokenizer:
        """From the artifact's file.

        Raises:
            ArtifactRefused: it is not such a file.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
            tokens = [base64.b64decode(each) for each in content["tokens"]]
            return cls(content["pattern"], tokens, content["specials"])
        except (KeyError, ValueError, TypeError) as error:
            raise ArtifactRefused(f"{path.name} is not a tokenizer: {error}") from error

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary tokens; names of special tokens inside the text are only text."""
        return self._encoding.encode_ordinary(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ordinary tokens among `ids`; bytes that make no whole character are left out."""
        return b"".join(self._tokens[id_] for id_ in ids if id_ < len(self._tokens)).decode("utf-8", "ignore")

    def data(self, id_: int) -> bytes:
        """Bytes of an ordinary token, which need not be whole characters; none of a special one."""
        return self._tokens[id_] if id_ < len(self._tokens) else b""

    def seconds(self, id_: int) -> float | None:
        """The time that a timestamp means, in seconds of the window; None for other tokens."""
        steps = id_ - self.specials.first_timestamp
        return round(steps * TIMESTAMP_STEP_S, 2) if steps >= 0 else None

    @cached_property
    def numbers(self) -> NumberTokens:
        """Which tokens write numbers; found once, in some tenths of a second, where somebody wants none."""
        return NumberTokens(self._tokens)

    def words_of_control(self) -> list[int]:
        """Ids that are neither text, nor the end, nor timestamps: never part of a transcript."""
        return [id_ for id_ in range(len(self._tokens), self.specials.first_timestamp) if id_ != self.specials.end]
