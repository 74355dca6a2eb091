"""A CTC model that was trained here: graph, parity, int8 behind its gate, the version before, publication."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from models.ctc import Units, best_path
from models.manifest import AudioPreprocessing, FileRef, Gate, Graph, Manifest, Metric, Parity, Tensor, Variant
from models.store import Artifact, Staging, Store, file_ref
from training.error_rate import Edits, count_edits, difference_interval, total
from training.errors import GateError, ParityError
from training.export import card, golden, record, silero
from training.export.ctc_graph import AUDIO, LOG_PROBABILITIES, CtcGraph, to_onnx
from training.export.gate import judge_clips, why_withheld
from training.export.graph import OPSET
from training.export.origin import Origin
from training.export.record import Int8Record, Record
from training.export.request import ExportRequest
from training.export.runtime import Session
from training.export.speech import as_wav, golden_sound, noise_sound
from training.export.speech_int8 import encoder_to_int8
from training.networks.ctc import CtcNetwork
from training.networks.log_mel import RATE_HZ, WINDOW_S
from training.objectives.speech import MIN_SAMPLES, SpeechObjective, tokens_of
from training.recipe import Recipe

UNITS = "units.json"
_TOLERANCE = 1e-3
_GOLDEN_TOLERANCES = {"fp32": 0.01, "int8": 2.0}
_PARITY_RECORDINGS = 20
Graphs = dict[str, onnx.ModelProto]


@dataclass(frozen=True)
class Recogniser:
    """A trained CTC network and what its artifact says of it."""

    network: CtcNetwork
    units: Units
    recipe: Recipe
    origin: Origin


@dataclass(frozen=True)
class _Export:
    """One export on its way."""

    said: Recogniser
    graphs: Graphs
    parity: Parity
    gate: Gate | None
    metrics: tuple[Metric, ...]


def publish(
    objective: SpeechObjective, origin: Origin, request: ExportRequest, *, is_forced: bool, is_kept: bool = False
) -> Artifact:
    """Publish the objective's network, and the voice detector that serving needs where the store has none.

    What is measured of it is kept among the request's records, where that is wanted.

    Raises:
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
        GateError: it is worse than the version that it would replace, or right about nothing, and nobody said to
            publish it all the same.
    """
    said = Recogniser(objective.network, objective.units, objective.recipe, origin)
    fp32 = to_onnx(said.network)
    test = objective.parts.test
    recordings = {f"recording {row}": test.audio(row) for row in range(min(_PARITY_RECORDINGS, len(test)))}
    checked = _checked(said, Session(fp32.SerializeToString()), recordings)
    graphs = {"fp32": fp32, "int8": encoder_to_int8(fp32)}
    clips = {name: held_out_clips(objective, Session(graph.SerializeToString())) for name, graph in graphs.items()}
    edits = {name: total(each) for name, each in clips.items()}
    gate = judge_clips(objective.measure, f"test part of {origin.name}", clips["fp32"], clips["int8"])
    if not is_forced:
        _compare(request.store, objective, origin, edits["fp32"])
        refuse_ignorance(origin.name, objective, clips["fp32"])
    metrics = tuple(_metric(name, each, objective, gate) for name, each in edits.items())
    if is_kept:
        record.save(request.records, _record(origin, gate, metrics))
    return _publish(_Export(said, graphs, checked, gate, metrics), request)


def export(said: Recogniser, known: Record | None, request: ExportRequest) -> Artifact:
    """Publish a network that was trained before, by what was measured of it then.

    Raises:
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
    """
    fp32 = to_onnx(said.network)
    checked = _checked(said, Session(fp32.SerializeToString()), {})
    gate = None if known is None or known.int8 is None else known.int8.gate
    graphs = {"fp32": fp32} if gate is None else {"fp32": fp32, "int8": encoder_to_int8(fp32)}
    return _publish(_Export(said, graphs, checked, gate, () if known is None else known.metrics), request)


def _publish(whole: _Export, request: ExportRequest) -> Artifact:
    """int8 only where it passed its gate; the voice detector goes along."""
    if whole.gate is not None and not whole.gate.is_passed:
        whole = replace(whole, graphs={"fp32": whole.graphs["fp32"]})
    if not request.store.versions(silero.NAME):
        silero.export(ExportRequest(request.store, request.cache))
    return request.store.build(whole.said.origin.name, lambda staging: _fill(staging, whole))


def _record(origin: Origin, gate: Gate, metrics: tuple[Metric, ...]) -> Record:
    return Record(
        name=origin.name,
        weights_sha256=origin.weights_sha256,
        date=datetime.now(UTC).date(),
        int8=Int8Record(gate=gate),
        metrics=metrics,
    )


def refuse_ignorance(name: str, objective: SpeechObjective, heard: list[Edits]) -> None:
    """Refuse a model that does no better than writing nothing, or one and the same text, each time.

    Raises:
        GateError: the interval of the difference does not lie below zero.
    """
    texts = [tokens_of(each.text, objective.recipe) for each in objective.parts.test.listed]
    usual = Counter(tokens_of(each.text, objective.recipe) for each in objective.parts.train.listed).most_common(1)
    rate = total(heard).rate
    for guess, words in (
        ((), "who writes nothing"),
        *((text, f"who writes {' '.join(text)} each time") for text, _ in usual),
    ):
        guessed = [count_edits(text, guess) for text in texts]
        if difference_interval(heard, guessed).high >= 0:
            raise GateError(
                f"{name} is not published: its {objective.measure.upper()} is {rate:.0%} over {len(texts)} held-out "
                f"recordings, and that of {words} {total(guessed).rate:.0%}, so nothing shows that it knows more; "
                "--force publishes it all the same"
            )


def held_out_edits(objective: SpeechObjective, graph: Session, units: Units | None = None) -> Edits:
    """Errors of a graph on the test part, all recordings together."""
    return total(held_out_clips(objective, graph, units))


def held_out_clips(objective: SpeechObjective, graph: Session, units: Units | None = None) -> list[Edits]:
    """Errors of a graph in each recording of the test part, each alone, as it is served."""
    said_by, test = units or objective.units, objective.parts.test
    counted = []
    for row, listed in enumerate(test.listed):
        scores = graph(_sound(test.audio(row)))[0]
        heard = said_by.text([each.token for each in best_path(scores)])
        counted.append(count_edits(tokens_of(listed.text, objective.recipe), tokens_of(heard, objective.recipe)))
    return counted


def _sound(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(audio, (0, max(0, MIN_SAMPLES - len(audio))))[None]


def _checked(said: Recogniser, graph: Session, recordings: dict[str, NDArray[np.float32]]) -> Parity:
    """Self-made sounds, and recordings where there are any."""
    reference = CtcGraph(said.network).eval()
    sounds = {"golden": golden_sound(), "random": noise_sound()[: 5 * RATE_HZ]}
    found: dict[str, float] = {}
    for name, audio in {**sounds, **recordings}.items():
        with torch.inference_mode():
            wanted = reference(torch.from_numpy(_sound(audio))).numpy()
        got = graph(_sound(audio))
        difference = float(np.abs(got - wanted).max()) if got.shape == wanted.shape else float("inf")
        kind = "recordings" if name in recordings else name
        found[kind] = max(found.get(kind, 0.0), difference)
        if not difference <= _TOLERANCE:
            raise ParityError(
                f"the exported graph is {difference:.2g} away from PyTorch on {name}; nothing published"
            )
    return Parity(max_abs_diff=found, tolerance=_TOLERANCE)


def _compare(store: Store, objective: SpeechObjective, origin: Origin, after: Edits) -> None:
    """Refuse a model that is worse than the newest version in the store, both on the same recordings."""
    if not store.versions(origin.name):
        return
    current = store.find(origin.name)
    files = current.manifest.variants["fp32"].files
    if set(files) != {"model"} or current.manifest.tokenizer is None:
        raise GateError(
            f"{origin.name} is not published: {current.id}, which it would replace, is a recogniser of another kind; "
            "--force publishes it all the same"
        )
    units = Units.read(current.path(current.manifest.tokenizer))
    before = held_out_edits(objective, Session(current.path(files["model"])), units)
    if after.errors > before.errors:
        raise GateError(
            f"{origin.name} is not published: it makes {after.errors} errors in {after.reference} held-out units, "
            f"and {current.id}, which it would replace, {before.errors}; --force publishes it all the same"
        )


def _fill(staging: Staging, whole: _Export) -> Manifest:
    folder, said, origin = staging.folder, whole.said, whole.said.origin
    said.units.write(folder / UNITS)
    sound = golden_sound()
    outputs = {f"output.{name}": Session(g.SerializeToString())(sound[None])[0] for name, g in whole.graphs.items()}
    golden.write(folder / golden.FILE, {**golden.media_arrays([as_wav(sound)]), "input": sound, **outputs})
    manifest = Manifest(
        name=origin.name,
        version=staging.version,
        task="speech-recognition",
        variants={name: _variant(staging, name, whole) for name in whole.graphs},
        graphs={"model": _graph(len(said.units.texts) + 1)},
        preprocessing=AudioPreprocessing(sample_rate_hz=RATE_HZ, window_s=WINDOW_S),
        tokenizer=file_ref(folder / UNITS),
        golden=file_ref(folder / golden.FILE),
        card=FileRef(file=card.FILE, sha256="0" * 64, bytes=0),
        decoding={"language": said.recipe.language, "stride_s": said.network.stride_s},
        provenance=origin.provenance(),
        metrics=tuple(each for each in whole.metrics if each.variant in whole.graphs),
        withheld=why_withheld(whole.gate),
    )
    text = card.ctc_card(manifest, said.units, said.recipe.limits)
    (folder / card.FILE).write_text(text, encoding="utf-8")
    return manifest.model_copy(update={"card": file_ref(folder / card.FILE)})


def _variant(staging: Staging, name: str, whole: _Export) -> Variant:
    path = staging.folder / f"model.{name}.onnx"
    path.write_bytes(whole.graphs[name].SerializeToString(deterministic=True))
    is_fp32 = name == "fp32"
    return Variant(
        precision="fp32" if is_fp32 else "int8",
        opset=OPSET,
        files={"model": file_ref(path)},
        golden_tolerance=_GOLDEN_TOLERANCES[name],
        parity=whole.parity if is_fp32 else None,
        gate=None if is_fp32 else whole.gate,
    )


def _graph(tokens: int) -> Graph:
    return Graph(
        inputs=(Tensor(name=AUDIO, dtype="float32", shape=(1, "samples")),),
        outputs=(Tensor(name=LOG_PROBABILITIES, dtype="float32", shape=(1, "frames", tokens)),),
    )


def _metric(variant: str, edits: Edits, objective: SpeechObjective, gate: Gate) -> Metric:
    return Metric(
        metric=objective.measure,
        value=round(edits.rate, 4),
        data=gate.data,
        count=gate.count,
        variant=variant,
        note="held out from training, best path",
    )
