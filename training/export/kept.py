"""Weights that were trained here, kept small enough to travel with the source: `models/deltas/<name>.safetensors`.

What is kept is the difference from the published weights that the training began with, or the weights themselves
where it began with none; kernels and matrices as 16-bit floats, norms and biases whole. A card beside it says what
everything is. The exporter merges them into the verified base and gives the very network that was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import models
from models.ctc import Units
from models.manifest import Data, Name, Sha256
from models.store import Artifact, sha256_of
from training import recipe as recipes
from training.errors import ExportError
from training.export import image, record, trained_speech
from training.export.efficientnet_lite import read_state
from training.export.origin import Origin
from training.export.request import ExportRequest
from training.export.trained_pictures import described_model
from training.networks import efficientnet_lite
from training.networks.build import PUBLISHED, image_network, speech_network
from training.networks.ctc import CtcNetwork
from training.objectives.pictures import Normalisation
from training.recipe import Recipe
from training.sections import Ctc, Lite

FOLDER = Path(models.__file__).parent / "deltas"
_LAST_LAYER = "classifier."


class Card(Data):
    """What kept weights are."""

    schema_version: Literal[1] = 1
    name: Name
    source: str
    licence: str
    data: str
    """What they were trained on, in words."""
    recipe: dict[str, Any]
    base_sha256: Sha256 | None = None
    """Of the published weights that they are the difference from."""
    weights_sha256: Sha256
    """Of the file beside the card."""
    classes: tuple[str, ...]
    """Labels of pictures, or what a recogniser writes."""
    joiner: str = ""
    """Speech: what stands between two units."""
    is_grey: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    figures: dict[str, float]

    def trained(self) -> Recipe:
        """The recipe that they were trained by."""
        return recipes.parse(self.name, self.recipe)

    def origin(self) -> Origin:
        """For the manifest."""
        return Origin(self.name, self.source, self.weights_sha256, self.licence, self.data)


@dataclass(frozen=True)
class Described:
    """What a run knows of its network and the card has to say."""

    source: str
    data: str
    classes: tuple[str, ...]
    figures: dict[str, float]
    joiner: str = ""
    is_grey: bool = False
    normalise: Normalisation | None = None


def keep(network: nn.Module, recipe: Recipe, about: Described, cache: Path, folder: Path = FOLDER) -> Card:
    """Write weights and card, and round the network to what they give when they are merged again."""
    base, base_sha256 = _base(recipe, cache)
    state = network.state_dict()
    kept = {name: _small(each - base[name] if name in base else each) for name, each in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recipe.name}.safetensors"
    save_file(kept, path)
    network.load_state_dict(_merged(state, base, kept))
    card = Card(
        name=recipe.name,
        source=about.source,
        licence=recipe.licence,
        data=about.data,
        recipe=recipe.model_dump(mode="json", exclude={"name"}, exclude_unset=True),
        base_sha256=base_sha256,
        weights_sha256=sha256_of(path),
        classes=about.classes,
        joiner=about.joiner,
        is_grey=about.is_grey,
        mean=() if about.normalise is None else about.normalise.mean,
        std=() if about.normalise is None else about.normalise.std,
        figures={name: round(value, 4) for name, value in about.figures.items()},
    )
    (folder / f"{recipe.name}.json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card


def cards(folder: Path = FOLDER) -> dict[str, Path]:
    """The cards of a folder by the names of their models."""
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def read(path: Path) -> Card:
    """One card; the weights beside it are those that it speaks of.

    Raises:
        ExportError: card or weights are damaged.
    """
    try:
        card = Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ExportError(f"{path.name} is no card of kept weights: {error.errors()[0]['msg']}") from error
    weights = path.with_suffix(".safetensors")
    if not weights.is_file() or sha256_of(weights) != card.weights_sha256:
        raise ExportError(f"{weights.name} is not the file that {path.name} speaks of")
    return card


def exporter_of(path: Path) -> Callable[[ExportRequest], Artifact]:
    """A function that publishes the model of a card."""
    return lambda request: _export(path, request)


def _export(path: Path, request: ExportRequest) -> Artifact:
    """Publish kept weights, with what was measured of them when they were trained.

    Raises:
        ExportError: card or weights are damaged.
        SourceError: the base cannot be had.
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
    """
    card = read(path)
    recipe, known = card.trained(), record.find(request.records, card.name, card.weights_sha256)
    network = restored(card, path.with_suffix(".safetensors"), request.cache)
    if isinstance(network, CtcNetwork):
        said = trained_speech.Recogniser(network, Units(card.classes, card.joiner), recipe, card.origin())
        return trained_speech.export(said, known, request)
    normalise = Normalisation(card.mean, card.std)
    model = described_model(network, normalise, card.classes, recipe, card.origin())
    return image.publish(model, request.store, known, None)


def restored(card: Card, weights: Path, cache: Path) -> nn.Module:
    """The network of a card, its kept weights merged into the base.

    Raises:
        ExportError: they are of another network, or the base is not what they are the difference from.
    """
    recipe = card.trained()
    base, base_sha256 = _base(recipe, cache)
    if base_sha256 != card.base_sha256:
        raise ExportError(f"{card.name} was trained from other published weights than those of this version")
    if isinstance(recipe.network, Ctc):
        network: nn.Module = speech_network(recipe.network, len(card.classes) + 1)
    else:
        side_px, classes = recipe.train_px, len(card.classes)
        network = image_network(recipe.network, classes, side_px, is_grey=card.is_grey, cache=cache)
    try:
        network.load_state_dict(_merged(network.state_dict(), base, load_file(weights)))
    except (RuntimeError, KeyError) as error:
        raise ExportError(f"{weights.name} does not hold the weights of {card.name}") from error
    return network.eval()


def _base(recipe: Recipe, cache: Path) -> tuple[dict[str, Tensor], str | None]:
    """The published weights that training began with, all but the last layer, and their sha256."""
    section = recipe.network
    if not (isinstance(section, Lite) and section.pretrained):
        return {}, None
    weights = PUBLISHED[section.size].weights.fetch(cache)
    named = {efficientnet_lite.own_key(key): value for key, value in read_state(weights.path).items()}
    return {name: each for name, each in named.items() if not name.startswith(_LAST_LAYER)}, weights.sha256


def _small(tensor: Tensor) -> Tensor:
    is_weight = tensor.ndim > 1 and tensor.is_floating_point()
    return (tensor.half() if is_weight else tensor).detach().cpu().contiguous().clone()


def _merged(state: dict[str, Tensor], base: dict[str, Tensor], kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor in the type that the network has it in."""
    with torch.no_grad():
        return {
            name: (kept[name].to(each.dtype) + base[name].to(each.dtype))
            if name in base
            else kept[name].to(each.dtype)
            for name, each in state.items()
        }
