"""Export of an image classifier: graph, parity, int8 and its gate, golden vectors, card, manifest, publication.

Knows no particular network: whoever has a `torch.nn.Module` that gives logits hands it over as an `ImageModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from models.manifest import (
    Calibration,
    FileRef,
    Gate,
    Graph,
    ImagePreprocessing,
    Manifest,
    Metric,
    Parity,
    Provenance,
    Tensor,
    Variant,
)
from models.postprocess import Labels
from models.store import Artifact, Staging, file_ref
from training.data.photos import Photos, find_photos
from training.export import card, golden, measure, parity, record
from training.export.drawings import golden_media
from training.export.graph import INPUT, OPSET, OUTPUT, PixelClassifier, to_onnx
from training.export.request import ExportRequest
from training.export.runtime import Session

GOLDEN_TOLERANCES = {"fp32": 1e-3, "int8": 0.05}


@dataclass(frozen=True)
class ImageModel:
    """A trained classifier and all that its artifact says of it."""

    name: str
    network: nn.Module
    """Normalised floats `[N, 3, H, W]` to logits `[N, classes]`."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    preprocessing: ImagePreprocessing
    labels: Labels
    provenance: Provenance
    limits: str
    """What the model should not be trusted with, for its card."""
    data_note: str = ""
    """What to bear in mind about the figures' data."""

    def classifier(self, calibration: Calibration | None = None) -> PixelClassifier:
        """The network with pixels' arithmetic before it, temperature and softmax behind it."""
        temperature = 1.0 if calibration is None else calibration.temperature
        return PixelClassifier(self.network, self.mean, self.std, temperature)


@dataclass(frozen=True)
class Graphs:
    """The graphs of one export, as bytes by variant, and what was found out about them."""

    variants: Mapping[str, bytes]
    parity: Parity
    gate: Gate | None
    metrics: tuple[Metric, ...]
    calibration: Calibration | None


def export(model: ImageModel, request: ExportRequest) -> Artifact:
    """Publish the next version of the model.

    Raises:
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
        DataError, StoreError: photos cannot be read, or the store cannot be written.
    """
    media = golden_media()
    inputs = golden.inputs(media, model.preprocessing)
    graphs = _graphs(model, request, inputs)
    arrays: dict[str, NDArray[Any]] = {**golden.media_arrays(media), "input": inputs}
    for variant, graph in graphs.variants.items():
        arrays[f"output.{variant}"] = Session(graph)(inputs)
    return request.store.build(model.name, lambda staging: _fill(staging, model, graphs, arrays))
