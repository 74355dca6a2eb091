"""What is measured of an image model where photos are at hand: int8 ranges, the gate, figures. Gives a `Record`."""

from __future__ import annotations

from datetime import date

import onnx

from models.manifest import ImagePreprocessing, Metric
from training.data.photos import Photos
from training.evaluate import Accuracy, accuracy
from training.export.calibration_pictures import DESCRIPTION, calibration_pictures
from training.export.gate import figures, judge
from training.export.quantize import measured_ranges, to_int8
from training.export.record import Int8Record, Record
from training.export.runtime import Session


def survey(
    name: str,
    weights_sha256: str,
    fp32: onnx.ModelProto,
    spec: ImagePreprocessing,
    photos: Photos,
    known: Record | None = None,
    note: str = "",
) -> Record:
    """Measure both variants on `photos`; the ranges and the calibration of `known` are kept, its figures are not."""
    kept = known.int8 if known else None
    ranges = kept.ranges if kept else measured_ranges(fp32, calibration_pictures(spec.crop_px))
    int8 = to_int8(fp32, ranges)
    reference = _accuracy(fp32, photos, spec)
    candidate = _accuracy(int8, photos, spec)
    return Record(
        name=name,
        weights_sha256=weights_sha256,
        date=date.today(),
        int8=Int8Record(
            ranges=dict(ranges),
            ranges_data=kept.ranges_data if kept else DESCRIPTION,
            gate=judge(reference, candidate, photos.name),
        ),
        metrics=_metrics(reference, candidate, photos.name, note),
        calibration=known.calibration if known else None,
    )


def _accuracy(model: onnx.ModelProto, photos: Photos, spec: ImagePreprocessing) -> Accuracy:
    return accuracy(Session(model.SerializeToString()), photos, spec)


def _metrics(reference: Accuracy, candidate: Accuracy, data: str, note: str) -> tuple[Metric, ...]:
    return figures(reference, data, "fp32", note) + figures(candidate, data, "int8", note)
