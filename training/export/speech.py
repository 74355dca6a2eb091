"""Export of a Whisper: two graphs, parity, int8 and its gate, golden vectors, card, manifest, publication.

Knows no particular size or source of weights: whoever has a `SpeechModel` hands it over.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from models.manifest import AudioPreprocessing, FileRef, Gate, Graph, Manifest, Metric, Parity, Tensor, Variant
from models.store import Artifact, Staging, file_ref
from training.export import card, golden, record, speech_parity, tokenizer
from training.export.graph import OPSET
from training.export.record import Record
from training.export.request import ExportRequest
from training.export.silero import spoken_like
from training.export.speech_graph import decoder_to_onnx, encoder_to_onnx
from training.export.speech_int8 import decoder_to_int8, encoder_to_int8
from training.export.speech_model import SpeechModel
from training.export.speech_session import SpeechSession
from training.networks.log_mel import RATE_HZ, WINDOW_S

_GOLDEN_TOLERANCES = {"fp32": 0.05, "int8": 2.0}
_GOLDEN_S = 4.0
_GOLDEN_TOKENS = 3
_ELEMENT_TYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.INT32: "int32",
}

Graphs = dict[str, onnx.ModelProto]
"""By role: encoder and decoder."""


@dataclass(frozen=True)
class _Export:
    """One export on its way: what is published, and what was found out about it."""

    model: SpeechModel
    variants: dict[str, Graphs]
    parity: Parity
    record: Record | None


def export(model: SpeechModel, request: ExportRequest, *, is_gated: bool = True) -> Artifact:
    """Publish the next version; int8 only where it passed its gate, or where the gate is being taken.

    Raises:
        ParityError: the graphs do not compute what PyTorch computes; nothing is published.
        StoreError: the store cannot be written.
    """
    fp32 = {"encoder": encoder_to_onnx(model.network), "decoder": decoder_to_onnx(model.network)}
    sounds = {"golden": speech_parity.Recording(golden_sound()), "random": speech_parity.Recording(noise_sound())}
    parity = speech_parity.check(model, SpeechSession(**fp32), sounds)
    known = record.find(request.records, model.name, model.provenance.weights_sha256)
    if known is not None and known.parity is not None:
        parity = parity.model_copy(update={"max_abs_diff": {**parity.max_abs_diff, **known.parity.max_abs_diff}})
    variants = {"fp32": fp32}
    if not is_gated or (known is not None and known.int8 is not None and known.int8.gate.is_passed):
        variants["int8"] = {
            "encoder": encoder_to_int8(fp32["encoder"]),
            "decoder": decoder_to_int8(fp32["decoder"]),
        }
    whole = _Export(model, variants, parity, known)
    return request.store.build(model.name, lambda staging: _fill(staging, whole))


def golden_sound() -> NDArray[np.float32]:
    """A self-made, voice-like sound `[n]`, as 16 bits can say it."""
    levels = np.rint(spoken_like(_GOLDEN_S) * 32767).astype(np.int16)
    return levels.astype(np.float32) / np.float32(32768)


def noise_sound() -> NDArray[np.float32]:
    """A window of noise, float32 `[480,000]`."""
    return np.random.default_rng(0).standard_normal(WINDOW_S * RATE_HZ).astype(np.float32) * 0.1


def as_wav(samples: NDArray[np.float32]) -> bytes:
    """A WAV file of 16 bits at 16 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32768).astype("<i2").tobytes())
    return buffer.getvalue()


def _fill(staging: Staging, whole: _Export) -> Manifest:
    """Write every file but the manifest; the card last, since it tells what the manifest says."""
    folder, model = staging.folder, whole.model
    tokenizer.write(folder / tokenizer.FILE, model.tokenizer)
    _write_golden(staging, whole)
    manifest = Manifest(
        name=model.name,
        version=staging.version,
        task="speech-recognition",
        variants={name: _variant(staging, name, whole) for name in whole.variants},
        graphs={role: _graph(graph) for role, graph in whole.variants["fp32"].items()},
        preprocessing=AudioPreprocessing(sample_rate_hz=RATE_HZ, window_s=WINDOW_S),
        tokenizer=file_ref(folder / tokenizer.FILE),
        golden=file_ref(folder / golden.FILE),
        card=FileRef(file=card.FILE, sha256="0" * 64, bytes=0),
        decoding=model.decoding,
        provenance=model.provenance,
        metrics=_metrics(whole),
    )
    text = card.speech_card(manifest, model.languages, model.limits)
    (folder / card.FILE).write_text(text, encoding="utf-8")
    return manifest.model_copy(update={"card": file_ref(folder / card.FILE)})


def _write_golden(staging: Staging, whole: _Export) -> None:
    """`input` float32 `[n]`, `tokens` (a beginning of four, and more), `output.<variant>` logits behind each."""
    sound, beginning = golden_sound(), whole.model.beginning()
    wanted = speech_parity.greedy(whole.model, sound, _GOLDEN_TOKENS)
    tokens = [*beginning, *wanted.tokens[:-1]]
    outputs = {
        f"output.{name}": SpeechSession(**graphs).follow(sound, tokens, len(beginning))
        for name, graphs in whole.variants.items()
    }
    arrays: dict[str, NDArray[Any]] = {"input": sound, "tokens": np.array(tokens, np.int64), **outputs}
    golden.write(staging.folder / golden.FILE, {**golden.media_arrays([as_wav(sound)]), **arrays})


def _variant(staging: Staging, name: str, whole: _Export) -> Variant:
    files = {}
    for role, graph in whole.variants[name].items():
        path = staging.folder / f"{role}.{name}.onnx"
        path.write_bytes(graph.SerializeToString(deterministic=True))
        files[role] = file_ref(path)
    is_fp32 = name == "fp32"
    return Variant(
        precision="fp32" if is_fp32 else "int8",
        opset=OPSET,
        files=files,
        golden_tolerance=_GOLDEN_TOLERANCES[name],
        parity=whole.parity if is_fp32 else None,
        gate=None if is_fp32 else _gate(whole.record),
    )


def _gate(known: Record | None) -> Gate | None:
    return known.int8.gate if known is not None and known.int8 is not None else None


def _graph(model: onnx.ModelProto) -> Graph:
    return Graph(
        inputs=tuple(_tensor(each) for each in model.graph.input),
        outputs=tuple(_tensor(each) for each in model.graph.output),
    )


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(each.dim_param or each.dim_value for each in kind.shape.dim)
    return Tensor(name=value.name, dtype=_ELEMENT_TYPES[kind.elem_type], shape=shape)


def _metrics(whole: _Export) -> tuple[Metric, ...]:
    """The figures of the variants that are published."""
    return tuple(each for each in (whole.record.metrics if whole.record else ()) if each.variant in whole.variants)
