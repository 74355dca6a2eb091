"""How often is a model right? Artifacts are measured as they lie in the store, with onnxruntime and no server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.manifest import ImagePreprocessing, Manifest
from models.store import Artifact
from training.data.labelled import LabelledPictures
from training.errors import UsageError
from training.export.runtime import Session

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


def accuracy(classifier: Classifier, photos: LabelledPictures, spec: ImagePreprocessing) -> Accuracy:
    """Top-1 and top-5 of a classifier on labelled pictures; ties count against the model."""
    top1 = top5 = 0
    with tqdm(total=len(photos), unit="photo", leave=False, disable=None) as bar:
        for pixels, class_ids in photos.batches(spec):
            places = ranks(classifier(pixels), class_ids)
            top1 += int((places < 1).sum())
            top5 += int((places < 5).sum())
            bar.update(len(class_ids))
    return Accuracy(len(photos), top1, top5)


def ranks(probabilities: NDArray[np.float32], class_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many other classes score at least as high as the right one: `[N, classes]`, `[N]` to `[N]`."""
    own = probabilities[np.arange(len(class_ids)), class_ids]
    result: NDArray[np.int64] = (probabilities >= own[:, None]).sum(axis=1) - 1
    return result


def evaluate_image(artifact: Artifact, variant: str, photos: LabelledPictures) -> Accuracy:
    """Measure one variant of a published classifier.

    Raises:
        UsageError: the artifact is no image classifier, has no such variant, or fewer classes than the photos need.
    """
    manifest = artifact.manifest
    spec = image_preprocessing(manifest)
    if variant not in manifest.variants:
        raise UsageError(f"{artifact.id} has no variant {variant}, only {', '.join(manifest.variants)}")
    classes = manifest.graphs["model"].outputs[0].shape[-1]
    if isinstance(classes, int) and int(np.max(photos.class_ids)) >= classes:
        raise UsageError(f"{photos.name} is labelled with classes that {artifact.id} does not know")
    graph = Session(artifact.path(manifest.variants[variant].files["model"]))
    return accuracy(graph, photos, spec)


def image_preprocessing(manifest: Manifest) -> ImagePreprocessing:
    """The numbers that an image classifier's manifest carries.

    Raises:
        UsageError: the manifest is of something else.
    """
    if not isinstance(manifest.preprocessing, ImagePreprocessing):
        raise UsageError(f"{manifest.name} is for {manifest.task}, not for pictures")
    return manifest.preprocessing
