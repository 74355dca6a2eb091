"""A Whisper small enough for tests: the real architecture, random weights, a vocabulary of bytes."""

from __future__ import annotations

import base64
import shutil
from datetime import date
from pathlib import Path

import torch

from models.manifest import Provenance
from models.store import Artifact, Store
from service.settings import read_settings
from service.speech.opening import VOICE
from training.export import speech
from training.export.request import ExportRequest
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


def publish(root: Path, name: str = "whisper-small-test") -> Artifact:
    """The small Whisper in both precisions in a store of its own, exported as the real one is; no gate is asked."""
    return speech.export(small_model(name), ExportRequest(Store(root), root / "cache", records=root), is_gated=False)


def add_voice(root: Path) -> bool:
    """Copy the published voice detector beside it; False where there is none."""
    source = read_settings().artifacts / VOICE
    if not source.is_dir():
        return False
    shutil.copytree(source, root / VOICE)
    return True
