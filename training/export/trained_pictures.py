"""A classifier that was trained here: calibration, the comparison with the version before, then the common line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import nn

from models.manifest import ImagePreprocessing
from models.postprocess import Labels
from models.store import Artifact, Store
from training.classes import everyday_labels
from training.cross_validation import Examples, fit, why_not, worth
from training.data.images import Pictures
from training.data.labelled import HeldOut
from training.errors import GateError
from training.evaluate import Accuracy, Answers, answers, evaluate_image
from training.export import image
from training.export.calibrate import Finding, as_published, group_numbers
from training.export.image_model import ImageModel, RangePictures
from training.export.origin import Origin
from training.export.record import Record
from training.export.strange import DESCRIPTION, strange
from training.objectives.classification import Classification, Scored
from training.objectives.pictures import Normalisation, served
from training.recipe import Recipe

_RANGE_PICTURES, _RANGE_BATCH = 256, 32
_FP32 = "fp32"
_NAMED = 20
_CHANCE = 0.05


def publish(
    objective: Classification, origin: Origin, store: Store, *, is_forced: bool, records: Path | None = None
) -> Artifact:
    """Publish the objective's network; what is measured of it is kept in `records`, where that is given.

    Raises:
        GateError: it is worse than the version that it would replace, or right about nothing, and nobody said to
            publish it all the same.
    """
    held_out = HeldOut(f"test part of {origin.name}", objective.parts.test)
    calibration = calibrated(objective)
    model = replace(
        described_model(objective.network, objective.normalise, objective.parts.classes, objective.recipe, origin),
        range_pictures=_ranges(objective.parts.train, objective.served),
    )
    if not is_forced:
        found = answers(model.classifier().probabilities, held_out, model.preprocessing)
        _compare(store, model, held_out, found.accuracy)
        refuse_ignorance(model.name, found, objective.parts.classes)
    return image.publish(model, store, _record(model, calibration), held_out, records)


def calibrated(objective: Classification) -> Finding:
    """Temperature from the validation part, error on the test part; none where the former would not help."""
    device = torch.device("cpu")
    if not objective.has_validation:
        return Finding(None, "no validation part was held out to calibrate on")
    held = objective.judge(objective.network, "validation", device).details
    test = objective.judge(objective.network, "test", device).details
    assert isinstance(held, Scored)  # noqa: S101 - of a classification
    assert isinstance(test, Scored)  # noqa: S101
    if reason := why_not(held.logits, held.class_ids, "validation pictures"):
        return Finding(None, reason)
    groups = group_numbers(everyday_labels(objective.parts.classes))
    nothing = strange(objective.recipe.eval_px)
    made = fit(Examples(held.logits, held.class_ids, _logits(objective, nothing.pixels), nothing.kinds, groups))
    data = f"{len(held.class_ids)} validation pictures, and {DESCRIPTION}; figures are of the test part"
    found = worth(made, Examples(test.logits, test.class_ids, test.logits[:0], None, groups))
    return Finding(as_published(made, found, data))


def _logits(objective: Classification, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    found = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _RANGE_BATCH):
            inputs = objective.normalise(torch.from_numpy(pixels[start : start + _RANGE_BATCH]))
            found.append(objective.network.eval()(inputs).numpy())
    return np.concatenate(found)


def refuse_ignorance(name: str, found: Answers, classes: tuple[str, ...]) -> None:
    """Refuse a model that does no better than naming the most common class each time.

    Raises:
        GateError: as many are right by that in more than one case of twenty (exact binomial test).
    """
    counts = np.bincount(found.class_ids, minlength=len(classes))
    share, right, count = counts.max() / counts.sum(), int(found.is_right.sum()), len(found.class_ids)
    if binomtest(right, count, share, alternative="greater").pvalue > _CHANCE:
        raise GateError(
            f"{name} is not published: it is right on {right} of {count} held-out pictures, and who says "
            f"{classes[int(counts.argmax())]} each time is right on {counts.max()}: nothing shows that it knows "
            "more; --force publishes it all the same"
        )


def described_model(
    network: nn.Module, normalise: Normalisation, classes: tuple[str, ...], recipe: Recipe, origin: Origin
) -> ImageModel:
    """A network that was trained by a recipe, as exporters take it."""
    return ImageModel(
        name=origin.name,
        network=network.eval(),
        mean=normalise.mean,
        std=normalise.std,
        preprocessing=served(recipe),
        labels=everyday_labels(classes),
        provenance=origin.provenance(),
        limits=recipe.limits or _limits(classes, recipe),
        data_note="held out from training",
    )


def _limits(classes: tuple[str, ...], recipe: Recipe) -> str:
    """What can be said of any classifier that was trained here."""
    some = ", ".join(classes[:_NAMED]) + (f" and {len(classes) - _NAMED} more" if len(classes) > _NAMED else "")
    return (
        f"Knows {len(classes)} classes and no others: {some}. In training every picture was reduced to "
        f"{recipe.data.size_px} × {recipe.data.size_px} pixels, so finer details were never seen."
    )


def _ranges(pictures: Pictures, spec: ImagePreprocessing) -> RangePictures:
    """int8 ranges are taken on training pictures: never those that the gate is taken on."""
    chosen = np.linspace(0, len(pictures) - 1, min(_RANGE_PICTURES, len(pictures))).astype(np.int64)

    def batches(_: int) -> Iterator[NDArray[np.uint8]]:
        for start in range(0, len(chosen), _RANGE_BATCH):
            yield np.stack([pictures.as_served(row, spec) for row in chosen[start : start + _RANGE_BATCH].tolist()])

    return RangePictures(f"{len(chosen)} training pictures", batches)


def _record(model: ImageModel, found: Finding) -> Record:
    return Record(
        name=model.name,
        weights_sha256=model.provenance.weights_sha256,
        date=datetime.now(UTC).date(),
        calibration=found.calibration,
        uncalibrated=found.reason,
    )


def _compare(store: Store, model: ImageModel, held_out: HeldOut, after: Accuracy) -> None:
    """Refuse a model that is worse than the newest version in the store, both measured on the same pictures."""
    if not store.versions(model.name):
        return
    current = store.find(model.name)
    before = _measured_current(current, model, held_out)
    if after.top1_count < before.top1_count:
        raise GateError(
            f"{model.name} is not published: it is right on {after.top1_count} of {after.count} held-out pictures, "
            f"and {current.id}, which it would replace, on {before.top1_count}; --force publishes it all the same"
        )


def _measured_current(current: Artifact, model: ImageModel, held_out: HeldOut) -> Accuracy:
    """How often the version in the store is right.

    Raises:
        GateError: it tells other classes apart, so that the two cannot be compared.
    """
    labels = current.manifest.labels
    known = () if labels is None else Labels.read(current.path(labels)).classes
    if [each.label for each in known] != [each.label for each in model.labels.classes]:
        raise GateError(
            f"{model.name} is not published: it tells other classes apart than {current.id}, which it would replace; "
            "--force publishes it all the same"
        )
    return evaluate_image(current, _FP32, held_out)
