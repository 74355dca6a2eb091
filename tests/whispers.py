"""A Whisper small enough for tests: the real architecture, random weights, a vocabulary of bytes."""

from __future__ import annotations

import base64
from datetime import date

import torch

from models.manifest import Provenance
from training.export.speech_model import SpeechModel
from training.networks.whisper import Dimensions, Whisper

LANGUAGES = ("en", "zh", "ja")
_NAMES = [
    "<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES), "<|translate|>",
    "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    *(f"<|{place * 0.02:.2f}|>" for place in range(1501)),
]  # fmt: skip
SPECIALS = {name: 256 + place for place, name in enumerate(_NAMES)}
TOKENIZER = {
    "pattern": r"\S+|\s+",
    "tokens": [base64.b64encode(bytes([byte])).decode("ascii") for byte in range(256)],
    "specials": SPECIALS,
}
SIZE = Dimensions(mels=80, width=128, heads=2, encoder_layers=1, decoder_layers=2, vocabulary=256 + len(_NAMES))


def small_whisper(size: Dimensions = SIZE) -> Whisper:
    """The same network every time; weights are large enough that tokens matter."""
    generator = torch.Generator().manual_seed(3)
    network = Whisper(size)
    with torch.no_grad():
        for parameter in (*network.parameters(), network.encoder.positional_embedding):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return network.eval().requires_grad_(False)


def small_model(name: str = "whisper-small-test") -> SpeechModel:
    """What an exporter is given."""
    return SpeechModel(
        name=name,
        network=small_whisper(),
        tokenizer=TOKENIZER,
        decoding={
            "beam_size": 2,
            "suppress": [1, 2],
            "suppress_first": [32, 256],
            "alignment_heads": [[0, 1], [1, 0]],
        },
        provenance=Provenance(
            source="made for tests", weights_sha256="0" * 64, licence="none", exporter="tests", date=date(2026, 1, 1)
        ),
        limits="knows nothing",
    )
