"""What is measured of an image model where photos are at hand: int8 ranges, the gate, figures. Gives a `Record`."""

from __future__ import annotations

from datetime import UTC, datetime

import onnx

from models.manifest import ImagePreprocessing
from training.data.labelled import LabelledPictures
from training.data.looks import Looks, looks_for
from training.evaluate import Answers, answers
from training.export.gate import figures, judge
from training.export.image_model import ImageModel
from training.export.quantize import measured_ranges, to_int8
from training.export.record import Int8Record, Record
from training.export.runtime import Session


def survey(model: ImageModel, fp32: onnx.ModelProto, photos: LabelledPictures, known: Record | None) -> Record:
    """Measure fp32 and int8 on `photos`; the ranges and the calibration of `known` are kept, its figures are not."""
    spec, looks = model.preprocessing, looks_for(len(photos))
    ranges, ranges_data = _ranges(model, fp32, known)
    reference, candidate = (_asked(each, Looks(photos, looks), spec) for each in (fp32, to_int8(fp32, ranges)))
    gate = judge(reference, candidate, photos.name, looks)
    whole, small = (
        figures(each.every(looks).accuracy, photos.name, name, model.data_note)
        for name, each in (("fp32", reference), ("int8", candidate))
    )
    return Record(
        name=model.name,
        weights_sha256=model.provenance.weights_sha256,
        date=datetime.now(UTC).date(),
        int8=Int8Record(ranges=ranges, ranges_data=ranges_data, gate=gate),
        metrics=whole + small,
        calibration=known.calibration if known else None,
        uncalibrated=known.uncalibrated if known else "",
    )


def _ranges(
    model: ImageModel, fp32: onnx.ModelProto, known: Record | None
) -> tuple[dict[str, tuple[float, float]], str]:
    """Ranges by tensor, and what they were measured on."""
    if known is not None and known.int8 is not None:
        return known.int8.ranges, known.int8.ranges_data
    pictures = model.range_pictures
    return measured_ranges(fp32, pictures.batches(model.preprocessing.crop_px), pictures.margin), pictures.description


def _asked(model: onnx.ModelProto, photos: LabelledPictures, spec: ImagePreprocessing) -> Answers:
    return answers(Session(model.SerializeToString()), photos, spec)
