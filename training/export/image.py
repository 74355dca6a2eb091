"""Export of an image classifier: graph, parity, int8 and its gate, golden vectors, card, manifest, publication.

Knows no particular network: whoever has a `torch.nn.Module` that gives logits hands it over as an `ImageModel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from models.manifest import (
    FileRef,
    Graph,
    ImagePreprocessing,
    Manifest,
    Parity,
    Tensor,
    Variant,
)
from models.store import Artifact, Staging, Store, file_ref
from training.calibration import probabilities
from training.data.labelled import LabelledPictures
from training.data.photos import find_photos, read_photos
from training.errors import DataError
from training.export import card, golden, parity, record
from training.export.calibrate import calibrated
from training.export.drawings import golden_media
from training.export.gate import why_withheld
from training.export.graph import INPUT, OPSET, OUTPUT, giving_logits, to_onnx
from training.export.image_model import ImageModel
from training.export.quantize import to_int8
from training.export.record import Record
from training.export.request import ExportRequest
from training.export.runtime import Session
from training.export.survey import survey

_GOLDEN_TOLERANCES = {"fp32": 1e-3, "int8": 0.05}
_LABELS = "labels.json"


@dataclass(frozen=True)
class _Export:
    """One export on its way: what is published, and what was found out about it."""

    model: ImageModel
    graphs: dict[str, onnx.ModelProto]
    parity: Parity
    record: Record | None
    golden: dict[str, NDArray[Any]]


def export(model: ImageModel, request: ExportRequest) -> Artifact:
    """Publish the next version of the model; int8 only where it passed its gate.

    Raises:
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
        DataError: photos of the data folder cannot be read.
        StoreError: the store cannot be written.
    """
    known = record.find(request.records, model.name, model.provenance.weights_sha256)
    photos = find_photos(request.data)
    if known is None and photos is not None:
        known = _calibrated(model, photos)
    return publish(model, request.store, known, photos)


def publish(
    model: ImageModel,
    store: Store,
    known: Record | None,
    photos: LabelledPictures | None,
    records: Path | None = None,
) -> Artifact:
    """Publish the next version by what is known of the weights, or what is measured now on `photos`.

    What was measured is kept in the folder `records`, where one is given.

    Raises:
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
        DataError: photos of the data folder cannot be read.
        StoreError: the store cannot be written.
    """
    fp32, checked = _checked_graph(model, known, photos)
    measured = known if photos is None else survey(model, fp32, photos, known)
    if records is not None and measured is not None:
        record.save(records, measured)
    graphs = {"fp32": fp32}
    if measured is not None and measured.int8 is not None and measured.int8.gate.is_passed:
        graphs["int8"] = to_int8(fp32, measured.int8.ranges)
    whole = _Export(model, graphs, checked, measured, _golden_arrays(model.preprocessing, graphs))
    return store.build(model.name, lambda staging: _fill(staging, whole))


def quantize(model: ImageModel, request: ExportRequest) -> Path:
    """Measure temperature, ranges, gate and figures anew and write the record that later exports reuse.

    Raises:
        DataError: there is no data folder, or it has too few photos.
    """
    if request.data is None:
        raise DataError("quantising needs labelled photos for its gate: give --data, or set PERCEPT_DATA")
    photos = read_photos(request.data)
    fresh = _calibrated(model, photos)
    fp32, _ = _checked_graph(model, fresh, photos)
    return record.save(request.records, survey(model, fp32, photos, fresh))


def _calibrated(model: ImageModel, photos: LabelledPictures) -> Record:
    """A record of nothing but the calibration: it comes first, since the temperature is part of what is measured."""
    found = calibrated(model, photos)
    return Record(
        name=model.name,
        weights_sha256=model.provenance.weights_sha256,
        date=datetime.now(UTC).date(),
        calibration=found.calibration,
        uncalibrated=found.reason,
    )


def _checked_graph(
    model: ImageModel, known: Record | None, photos: LabelledPictures | None
) -> tuple[onnx.ModelProto, Parity]:
    classifier = model.classifier(known.calibration if known else None)
    graph = to_onnx(classifier, model.preprocessing.crop_px)
    inputs = {
        "golden": golden.inputs(golden_media(), model.preprocessing),
        "random": parity.random_pixels(model.preprocessing.crop_px),
    }
    if photos is not None:
        inputs["photos"] = next(photos.batches(model.preprocessing, parity.BATCHES[-1]))[0]
    logits = Session(giving_logits(graph, classifier.temperature).SerializeToString())
    checked = parity.check(classifier.logits, logits, inputs)
    parity.check(_softmax_of(logits, classifier.temperature), Session(graph.SerializeToString()), inputs)
    return graph, checked


def _softmax_of(logits: Session, temperature: float) -> parity.Function:
    """What the graph's temperature and softmax must make of its own logits."""
    return lambda batch: probabilities(logits(batch), temperature).astype(np.float32)


def _golden_arrays(spec: ImagePreprocessing, graphs: dict[str, onnx.ModelProto]) -> dict[str, NDArray[Any]]:
    media = golden_media()
    inputs = golden.inputs(media, spec)
    outputs = {f"output.{name}": Session(graph.SerializeToString())(inputs) for name, graph in graphs.items()}
    return {**golden.media_arrays(media), "input": inputs, **outputs}


def _fill(staging: Staging, whole: _Export) -> Manifest:
    """Write every file but the manifest; the card last, since it tells what the manifest says."""
    folder, model = staging.folder, whole.model
    model.labels.write(folder / _LABELS)
    golden.write(folder / golden.FILE, whole.golden)
    variants = {name: _variant(folder, name, whole) for name in whole.graphs}
    manifest = Manifest(
        name=model.name,
        version=staging.version,
        task="image-classification",
        variants=variants,
        graphs={"model": _graph(model)},
        preprocessing=model.preprocessing,
        labels=file_ref(folder / _LABELS),
        golden=file_ref(folder / golden.FILE),
        card=_no_card_yet(),
        provenance=model.provenance,
        metrics=_metrics(whole),
        calibration=whole.record.calibration if whole.record else None,
        uncalibrated=whole.record.uncalibrated if whole.record else "",
        withheld=why_withheld(whole.record.int8.gate) if whole.record and whole.record.int8 else "",
    )
    (folder / card.FILE).write_text(card.image_card(manifest, model.limits), encoding="utf-8")
    return manifest.model_copy(update={"card": file_ref(folder / card.FILE)})


def _no_card_yet() -> FileRef:
    return FileRef(file=card.FILE, sha256="0" * 64, bytes=0)


def _variant(folder: Path, name: str, whole: _Export) -> Variant:
    path = folder / f"model.{name}.onnx"
    path.write_bytes(whole.graphs[name].SerializeToString(deterministic=True))
    int8 = whole.record.int8 if whole.record else None
    is_fp32 = name == "fp32"
    return Variant(
        precision="fp32" if is_fp32 else "int8",
        opset=OPSET,
        files={"model": file_ref(path)},
        golden_tolerance=_GOLDEN_TOLERANCES[name],
        parity=whole.parity if is_fp32 else None,
        gate=None if is_fp32 or int8 is None else int8.gate,
    )


def _graph(model: ImageModel) -> Graph:
    crop_px = model.preprocessing.crop_px
    return Graph(
        inputs=(Tensor(name=INPUT, dtype="uint8", shape=("N", crop_px, crop_px, 3)),),
        outputs=(Tensor(name=OUTPUT, dtype="float32", shape=("N", len(model.labels.classes))),),
    )


def _metrics(whole: _Export) -> tuple[Any, ...]:
    """The figures of the variants that are published."""
    return tuple(each for each in (whole.record.metrics if whole.record else ()) if each.variant in whole.graphs)
