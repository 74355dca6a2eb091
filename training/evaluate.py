"""How often is a model right? Artifacts are measured as they lie in the store, with onnxruntime and no server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.manifest import ImagePreprocessing, Manifest
from models.store import Artifact
from training.calibration import calibration_error
from training.data.labelled import LabelledPictures
from training.errors import DataError, UsageError
from training.export.runtime import Session
from training.metrics import ClassFigures, by_class

Classifier = Callable[[NDArray[Any]], NDArray[np.float32]]
"""uint8 `[N, H, W, 3]` to probabilities `[N, classes]`."""


@dataclass(frozen=True)
class Accuracy:
    """How many of `count` pictures have their class first, or among the first five."""

    count: int
    top1_count: int
    top5_count: int

    @property
    def top1(self) -> float:
        """Fraction, 0…1."""
        return self.top1_count / self.count

    @property
    def top5(self) -> float:
        """Fraction, 0…1."""
        return self.top5_count / self.count


@dataclass(frozen=True)
class Answers:
    """What a classifier made of labelled pictures, each array `[n]`."""

    class_ids: NDArray[np.int64]
    """The right classes."""
    predicted: NDArray[np.int64]
    """The classes with the best scores."""
    scores: NDArray[np.float64]
    """Those scores, 0…1."""
    places: NDArray[np.int64]
    """How many other classes score at least as high as the right one."""

    @property
    def accuracy(self) -> Accuracy:
        """Top-1 and top-5; ties count against the model."""
        return Accuracy(len(self.places), int((self.places < 1).sum()), int((self.places < 5).sum()))

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each has its class first; ties count against the model."""
        return np.asarray(self.places < 1)

    def every(self, looks: int) -> Answers:
        """Of the first of each so many in a row."""
        return Answers(self.class_ids[::looks], self.predicted[::looks], self.scores[::looks], self.places[::looks])

    @property
    def ece(self) -> float:
        """Expected calibration error, 0…1."""
        return calibration_error(self.scores, self.predicted == self.class_ids)

    def by_class(self, labels: Sequence[str]) -> tuple[ClassFigures, ...]:
        """Precision, recall and F1 of each class that the pictures show, of all that the model knows."""
        return tuple(each for each in by_class(self.class_ids, self.predicted, tuple(labels)) if each.count)


def accuracy(classifier: Classifier, photos: LabelledPictures, spec: ImagePreprocessing) -> Accuracy:
    """Top-1 and top-5 of a classifier on labelled pictures; ties count against the model."""
    return answers(classifier, photos, spec).accuracy


def answers(classifier: Classifier, photos: LabelledPictures, spec: ImagePreprocessing) -> Answers:
    """Ask a classifier about every picture.

    Raises:
        DataError: not one of them can be read.
    """
    found = []
    with tqdm(total=len(photos), unit="photo", desc="photos", leave=False, disable=None) as bar:
        for pixels, class_ids in photos.batches(spec):
            scores = classifier(pixels)
            found.append((class_ids, scores.argmax(axis=1), scores.max(axis=1), ranks(scores, class_ids)))
            bar.update(len(class_ids))
    if not found:
        raise DataError(f"{photos.name} holds no picture that can be read")
    class_ids, predicted, best, places = (np.concatenate(each) for each in zip(*found, strict=True))
    return Answers(class_ids, predicted, best.astype(np.float64), places)


def ranks(probabilities: NDArray[np.float32], class_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many other classes score at least as high as the right one: `[N, classes]`, `[N]` to `[N]`."""
    own = probabilities[np.arange(len(class_ids)), class_ids]
    result: NDArray[np.int64] = (probabilities >= own[:, None]).sum(axis=1) - 1
    return result


def evaluate_image(artifact: Artifact, variant: str, photos: LabelledPictures) -> Accuracy:
    """Top-1 and top-5 of one variant of a published classifier; raises what `ask` raises."""
    return ask(artifact, variant, photos).accuracy


def ask(artifact: Artifact, variant: str, photos: LabelledPictures) -> Answers:
    """Ask one variant of a published classifier about every picture.

    Raises:
        UsageError: the artifact is no image classifier, has no such variant, or fewer classes than the photos need.
        DataError: no picture can be read.
    """
    manifest = artifact.manifest
    spec = image_preprocessing(manifest)
    if variant not in manifest.variants:
        raise UsageError(f"{artifact.id} has no variant {variant}, only {', '.join(manifest.variants)}")
    classes = manifest.graphs["model"].outputs[0].shape[-1]
    if isinstance(classes, int) and int(np.max(photos.class_ids)) >= classes:
        raise UsageError(f"{photos.name} is labelled with classes that {artifact.id} does not know")
    graph = Session(artifact.path(manifest.variants[variant].files["model"]))
    return answers(graph, photos, spec)


def image_preprocessing(manifest: Manifest) -> ImagePreprocessing:
    """The numbers that an image classifier's manifest carries.

    Raises:
        UsageError: the manifest is of something else.
    """
    if not isinstance(manifest.preprocessing, ImagePreprocessing):
        raise UsageError(f"{manifest.name} is for {manifest.task}, not for pictures")
    return manifest.preprocessing
