"""What an exporter of speech is given: a network with its weights, its tokens, and what its artifact says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.manifest import Provenance
from training.networks.whisper import Whisper

Decoding = dict[str, str | int | float | bool | list[int] | list[list[int]]]


@dataclass(frozen=True)
class SpeechModel:
    """A Whisper, ready to be exported."""

    name: str
    network: Whisper
    tokenizer: Mapping[str, Any]
    """The content of the artifact's tokenizer file (`training.export.tokenizer`)."""
    decoding: Decoding
    """Defaults of decoding, as the manifest has them."""
    provenance: Provenance
    limits: str

    @property
    def alignment_heads(self) -> tuple[tuple[int, int], ...]:
        """Heads that follow the sound, as layer and head; none where they are not known."""
        pairs = self.decoding.get("alignment_heads", [])
        return (
            tuple((pair[0], pair[1]) for pair in pairs if isinstance(pair, list)) if isinstance(pairs, list) else ()
        )

    def beginning(self, language: str = "en") -> list[int]:
        """Tokens that ask for a transcript without times."""
        names = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        return [int(self.tokenizer["specials"][name]) for name in names]

    @property
    def end(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer["specials"]["<|endoftext|>"])

    @property
    def languages(self) -> int:
        """How many languages it knows."""
        specials = self.tokenizer["specials"]
        return int(specials["<|translate|>"]) - int(specials["<|startoftranscript|>"]) - 1
