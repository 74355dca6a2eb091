"""What an exporter of pictures is given: a trained network and everything that its artifact says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.manifest import Calibration, ImagePreprocessing, Provenance
from models.postprocess import Labels
from training.export import dead_leaves
from training.export.graph import PixelClassifier


@dataclass(frozen=True)
class RangePictures:
    """Pictures to measure int8 ranges on: never those that the gate is taken on."""

    description: str
    batches: Callable[[int], Iterator[NDArray[np.uint8]]]
    """Of the side in pixels: batches of uint8 `[N, side, side, 3]`."""
    margin: float = 1.0
    """What the extremes of unbounded activations are multiplied by, where other pictures reach further than these."""


DEAD_LEAVES = RangePictures(dead_leaves.DESCRIPTION, dead_leaves.dead_leaves, margin=1.2)
"""They do not reach the extremes of photos in the deep layers; a fifth more costs a quarter of a bit."""


@dataclass(frozen=True)
class ImageModel:
    """A trained classifier, ready to be exported."""

    name: str
    network: nn.Module
    """Normalised floats `[N, 3, H, W]` to logits `[N, classes]`."""
    mean: tuple[float, ...]
    """Of a pixel's 0…255, for all channels or for each."""
    std: tuple[float, ...]
    preprocessing: ImagePreprocessing
    labels: Labels
    provenance: Provenance
    limits: str
    """What the model should not be trusted with, for its card."""
    data_note: str = ""
    """What to bear in mind about the photos that figures are taken on."""
    range_pictures: RangePictures = DEAD_LEAVES

    def classifier(self, calibration: Calibration | None = None) -> PixelClassifier:
        """The network with pixels' arithmetic before it, temperature and softmax behind it."""
        temperature = 1.0 if calibration is None else calibration.temperature
        return PixelClassifier(self.network, self.mean, self.std, temperature)
