"""The temperature and the confident score of published weights, fitted on labelled photos and on pictures of nothing.

There are too few photos to set some aside, so what is published is fitted on all of them, and its figures are
cross-validated: each photo is judged by a fit that has not seen it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.manifest import Calibration
from models.postprocess import Labels
from training.cross_validation import FOLDS, Examples, Fit, Worth, cross_validated, fit, why_not
from training.data.labelled import BATCH, LabelledPictures
from training.export.graph import PixelClassifier
from training.export.image_model import ImageModel
from training.export.strange import DESCRIPTION, strange

_DIGITS = 4


@dataclass(frozen=True)
class Finding:
    """A calibration, or why there is none."""

    calibration: Calibration | None
    reason: str = ""


def calibrated(model: ImageModel, photos: LabelledPictures) -> Finding:
    """What makes the model's scores probabilities on photos like these; none where it would not."""
    examples = _examples(model, photos)
    if reason := why_not(examples.logits, examples.class_ids, f"photos of {photos.name}"):
        return Finding(None, reason)
    note = f", {model.data_note}" if model.data_note else ""
    data = (
        f"{len(photos)} photos of {photos.name}{note}, and {len(examples.strange)} {DESCRIPTION}; "
        f"figures are of photos, and of kinds of such pictures, not fitted on, in {FOLDS} folds"
    )
    return Finding(as_published(fit(examples), cross_validated(examples), data))


def as_published(made: Fit, found: Worth, data: str) -> Calibration:
    """As a manifest states it; the confident score is rounded up, or what it keeps out would come in."""
    groups = made.group_belief
    return Calibration(
        temperature=round(made.temperature, _DIGITS),
        confident_score=min(1.0, _up(made.belief.score)),
        confident_peak=None if made.belief.peak is None else _up(made.belief.peak),
        group_score=None if groups is None else min(1.0, _up(groups.score)),
        group_peak=None if groups is None or groups.peak is None else _up(groups.peak),
        data=data,
        **{name: value if value is None else round(value, _DIGITS) for name, value in vars(found).items()},
    )


def _up(value: float) -> float:
    unit = 10.0**_DIGITS
    return math.ceil(value * unit) / unit


def group_numbers(labels: Labels) -> NDArray[np.int64] | None:
    """The number of each class's group, −1 where it has none; None where no class has one."""
    names = sorted({each.group for each in labels.classes if each.group is not None})
    places = {name: number for number, name in enumerate(names)}
    return np.array([places.get(each.group or "", -1) for each in labels.classes], np.int64) if names else None


def _examples(model: ImageModel, photos: LabelledPictures) -> Examples:
    classifier = model.classifier()
    batches = [(classifier.logits(pixels), class_ids) for pixels, class_ids in photos.batches(model.preprocessing)]
    logits, class_ids = (np.concatenate(each) for each in zip(*batches, strict=True))
    nothing = strange(model.preprocessing.crop_px)
    return Examples(
        logits, class_ids, _of_nothing(classifier, nothing.pixels), nothing.kinds, group_numbers(model.labels)
    )


def _of_nothing(classifier: PixelClassifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([classifier.logits(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)])
