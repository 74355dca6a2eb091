"""Silero VAD, published as it comes: the ONNX graph of its wheel, checked against the TorchScript file beside it.

The sequence variant takes a whole clip in one run: `input` float32 `[N, 576]` (each row the 64 samples before a chunk
and its 512, at 16 kHz), the recurrent state `h` and `c` `[1, 1, 128]`; it gives `speech_probs` `[N]` and the state
after the last row, `hn` and `cn`. Nothing is converted, so the artifact has one variant.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from models.manifest import AudioPreprocessing, Graph, Manifest, Parity, Provenance, Tensor, Variant
from models.store import Artifact, Staging, file_ref
from training.errors import ParityError
from training.export import card, golden
from training.export.request import ExportRequest
from training.export.runtime import Session
from training.sources import Weights, Wheel

NAME = "silero-vad"
RATE_HZ = 16_000
CHUNK, CONTEXT, STATE = 512, 64, 128  # samples, samples, units
TOLERANCE = 1e-5
_WHEEL = ("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")
GRAPH = Wheel(*_WHEEL, "silero_vad/data/silero_vad_16k_sequence.onnx")
SCRIPT = Wheel(*_WHEEL, "silero_vad/data/silero_vad.jit")
_GOLDEN_TOLERANCE = 1e-3
_LIMITS = (
    "Tells speech from other sounds in recordings of 16 kHz; what is said, and by whom, it does not know. Loud, "
    "steady hum right beside speech makes it hear the speech late."
)


def frames(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mono samples `[n]` as the graph's rows `[n // 512, 576]`; silence stands before the first."""
    count = len(samples) // CHUNK
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples[: count * CHUNK]])
    return np.stack([padded[i * CHUNK : i * CHUNK + CONTEXT + CHUNK] for i in range(count)])


def spoken_like(seconds: float = 3.0) -> NDArray[np.float32]:
    """A self-made sound `[n]`: silence, a voice-like vowel in syllables, faint noise; the same every time."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    formants = ((700, 130, 1.0), (1220, 170, 0.5), (2600, 250, 0.25))  # centre and width in Hz, weight
    harmonics = range(1, 30)
    weights = [sum(w * np.exp(-(((k * 120 - f) / b) ** 2)) for f, b, w in formants) for k in harmonics]
    vowel = sum(weight * np.sin(k * phase) for k, weight in zip(harmonics, weights, strict=True))
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * t), 0, None) * ((t > seconds / 6) & (t < seconds * 0.8))
    noise = np.random.default_rng(7).standard_normal(len(t)) * 0.002
    return np.asarray(0.2 * vowel * syllables + noise, dtype=np.float32)


def export(request: ExportRequest) -> Artifact:
    """Publish the next version.

    Raises:
        SourceError: the wheel cannot be had, or is not the pinned one.
        ParityError: graph and TorchScript file disagree; nothing is published.
    """
    weights = (request.weights or GRAPH).fetch(request.cache)
    graph = weights.path.read_bytes()
    parity = check(graph, SCRIPT.fetch(request.cache))
    return request.store.build(NAME, lambda staging: _fill(staging, weights, graph, parity))


def check(graph: bytes, script: Weights) -> Parity:
    """Compare the graph with the TorchScript file on voice-like sound and on noise.

    Raises:
        ParityError: they differ by more than `TOLERANCE`.
    """
    noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32) * 0.1
    found = {
        name: float(np.abs(_scripted(script, sound) - run(graph, frames(sound))).max())
        for name, sound in {"golden": spoken_like(), "random": noise}.items()
    }
    if not max(found.values()) <= TOLERANCE:
        raise ParityError(f"the graph is {max(found.values()):.2g} away from TorchScript; nothing was published")
    return Parity(max_abs_diff=found, tolerance=TOLERANCE)


def run(graph: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of speech `[N]` for rows `[N, 576]`, from a fresh state."""
    state = np.zeros((1, 1, STATE), np.float32)
    return Session(graph, threads=1).named({"input": rows, "h": state, "c": state})["speech_probs"]


def _scripted(script: Weights, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    load: Any = torch.jit.load  # untyped
    with warnings.catch_warnings():
        # the reference exists in this form only, whatever torch thinks of the form
        warnings.filterwarnings("ignore", message=".*torch.jit.load.*deprecated", category=DeprecationWarning)
        model = load(str(script.path), map_location="cpu").eval()
    chunks = torch.from_numpy(samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK).copy())
    with torch.inference_mode():
        return np.array([float(model(chunk, RATE_HZ)) for chunk in chunks], np.float32)


def _fill(staging: Staging, weights: Weights, graph: bytes, parity: Parity) -> Manifest:
    folder, rows = staging.folder, frames(spoken_like())
    (folder / "model.fp32.onnx").write_bytes(graph)
    golden.write(folder / golden.FILE, {"input": rows, "output.fp32": run(graph, rows)})
    (folder / card.FILE).write_text(_card(staging.version, weights), encoding="utf-8")
    return Manifest(
        name=NAME,
        version=staging.version,
        task="voice-activity-detection",
        variants={
            "fp32": Variant(
                precision="fp32",
                opset=max(each.version for each in onnx.load_from_string(graph).opset_import),
                files={"model": file_ref(folder / "model.fp32.onnx")},
                golden_tolerance=_GOLDEN_TOLERANCE,
                parity=parity,
            )
        },
        graphs={"model": _graph()},
        preprocessing=AudioPreprocessing(sample_rate_hz=RATE_HZ, window_s=CHUNK / RATE_HZ),
        golden=file_ref(folder / golden.FILE),
        card=file_ref(folder / card.FILE),
        provenance=Provenance(
            source=weights.origin,
            weights_sha256=weights.sha256,
            licence="MIT",
            exporter=f"percept {version('percept')}",
            date=datetime.now(UTC).date(),
            note="published as it comes; compared with silero_vad.jit of the same wheel",
        ),
    )


def _graph() -> Graph:
    def tensor(name: str, *shape: int | str) -> Tensor:
        return Tensor(name=name, dtype="float32", shape=shape)

    state = (1, 1, STATE)
    return Graph(
        inputs=(tensor("input", "N", CONTEXT + CHUNK), tensor("h", *state), tensor("c", *state)),
        outputs=(tensor("speech_probs", "N"), tensor("hn", *state), tensor("cn", *state)),
    )


def _card(version_: str, weights: Weights) -> str:
    return (
        f"# {NAME}, version {version_}\n\nVoice activity detection at {RATE_HZ} Hz, by Silero Team (MIT).\n\n"
        f"## Origin\n\n- {weights.origin}\n- sha256: `{weights.sha256}`\n\n## Limits\n\n{_LIMITS}\n"
    )
