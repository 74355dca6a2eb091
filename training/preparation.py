"""From a recipe and data to an objective that can be trained or judged: the place where the parts meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.data.images import ImageData, digits, read_images
from training.data.speech import read_recordings
from training.errors import DataError, UsageError
from training.initialise import initialise
from training.networks.build import frozen, image_network, speech_network, still
from training.networks.cnn import WhitenedStem
from training.networks.ctc import HOP
from training.networks.grey import GreyInput
from training.objectives.classification import Classification, Teacher
from training.objectives.objective import Objective
from training.objectives.pictures import Normalisation, Parts, PictureObjective, divided, measured
from training.objectives.reconstruction import Reconstruction
from training.objectives.speech import SpeechObjective, divide, units_of
from training.recipe import Recipe
from training.run import Run
from training.sections import Cnn, Ctc, Lite

_PUBLISHED = Normalisation((127.0,) * 3, (128.0,) * 3)  # of EfficientNet-Lite's weights
_NOTHING_LEFT = "nothing is left to learn from once the held-out parts are taken off: set data.validation lower"
_LSUV_BATCH = 256
_WHITENED = 2_000  # pictures that a whitened stem is worked out from


@dataclass(frozen=True)
class Prepared:
    """A task on data, ready; and what is to be said of the data."""

    objective: Objective
    fingerprint: str
    """Eight hex digits of what is learnt from and judged by."""
    notes: tuple[str, ...]
    """What was left out, and why."""
    about: str
    """The data in words."""
    classes: tuple[str, ...]
    """What is told apart: classes of pictures, or tokens of speech."""


def prepare(recipe: Recipe, data: Path | None, cache: Path) -> Prepared:
    """Read the data and build the network with its first weights.

    Raises:
        UsageError: the recipe needs data and none were given.
        DataError: there is nothing there, or too little.
        SourceError: published weights cannot be had.
    """
    if recipe.task == "speech-recognition":
        return _prepare_speech(recipe, data, cache)
    return _prepare_pictures(recipe, data, cache)


def _prepare_pictures(recipe: Recipe, data: Path | None, cache: Path) -> Prepared:
    found = _pictures(recipe, data, cache)
    parts = divided(found, recipe)
    if not len(parts.train):
        raise DataError(_NOTHING_LEFT)
    torch.manual_seed(recipe.seed)
    network, normalise = _picture_network(recipe, parts, cache)
    kind: type[PictureObjective] = Reconstruction if recipe.task == "reconstruction" else Classification
    kept_as_they_are = tuple(frozen(network, recipe.network)), tuple(still(network, recipe.network))
    objective = kind(recipe, parts, network, normalise, *kept_as_they_are)
    _whiten(network, objective)
    examples = [objective.example((0, index)) for index in range(min(_LSUV_BATCH, len(parts.train)))]
    initialise(network, recipe.start, objective.inputs(objective.collate(examples)[0]))
    about = (
        f"{len(parts.train)} pictures of {len(found.classes)} classes to learn from, {len(parts.validation)} to "
        f"steer by, {len(parts.test)} to judge by"
    )
    return Prepared(objective, found.fingerprint, found.notes, about, found.classes)


def _picture_network(recipe: Recipe, parts: Parts, cache: Path) -> tuple[nn.Module, Normalisation]:
    network = image_network(recipe.network, len(parts.classes), recipe.train_px, is_grey=parts.is_grey, cache=cache)
    is_published = recipe.network.kind == "efficientnet-lite" and recipe.network.pretrained
    return network, _PUBLISHED if is_published else measured(parts.train)


def teacher_of(run: Run, parts: Parts, cache: Path, device: torch.device) -> Teacher:
    """The network of a finished run on the same parts, to be learnt from: one look at each picture, at its own size.

    Raises:
        SourceError: the network's published weights cannot be had.
    """
    recipe = run.recipe()
    if isinstance(recipe.network, Cnn | Lite):  # a second look would cost as much again and change little
        recipe = recipe.having({"network.two_sided": False})
    network, normalise = _picture_network(recipe, parts, cache)
    return Teacher(run.load_weights(network).requires_grad_(False).to(device), normalise, recipe.eval_px)


def _whiten(network: nn.Module, objective: PictureObjective) -> None:
    stems = [each for each in network.modules() if isinstance(each, WhitenedStem)]
    if stems:
        pictures = objective.parts.train
        rows = np.linspace(0, len(pictures) - 1, min(_WHITENED, len(pictures))).astype(np.int64).tolist()
        images = objective.inputs(torch.from_numpy(np.stack([pictures.pixels(row) for row in rows])))
        stems[0].fit(images.mean(1, keepdim=True) if isinstance(network, GreyInput) else images)


def _pictures(recipe: Recipe, data: Path | None, cache: Path) -> ImageData:
    if recipe.data.source == "digits":
        return digits(recipe.data.test_block)
    if recipe.data.source != "images":
        raise UsageError(f"recipe {recipe.name}: data.source {recipe.data.source} holds no pictures")
    if data is None:
        raise UsageError(f"{recipe.name} learns from pictures of yours: name their folder, CSV or tar with --data")
    return read_images(data, recipe.data.size_px, recipe.data.test, cache)


def _prepare_speech(recipe: Recipe, data: Path | None, cache: Path) -> Prepared:
    if data is None:
        raise UsageError(f"{recipe.name} learns from recordings of yours: name their folder or table with --data")
    found = read_recordings(
        data,
        is_fsdd=recipe.data.source == "fsdd",
        test_fraction=recipe.data.test,
        max_clip_s=recipe.data.max_clip_s,
        cache=cache,
        test_speaker=recipe.data.test_speaker,
    )
    parts = divide(found, recipe)
    if not len(parts.train):
        raise DataError(_NOTHING_LEFT)
    units = units_of(parts.train, recipe)
    assert isinstance(recipe.network, Ctc)  # noqa: S101 - the recipe has checked it
    torch.manual_seed(recipe.seed)
    network = speech_network(recipe.network, len(units.texts) + 1)
    objective = SpeechObjective(recipe, parts, units, network)
    sound, lengths, *_ = objective.collate([objective.example((0, i)) for i in range(min(32, len(parts.train)))])
    initialise(network, recipe.start, network.features(sound)[..., : int(lengths.max()) // HOP])
    hours = sum(parts.train.seconds(index) for index in range(len(parts.train))) / 3600
    about = (
        f"{len(parts.train)} recordings ({hours:.2f} h) to learn {len(units.texts)} {recipe.data.units} from, "
        f"{len(parts.validation)} to steer by, {len(parts.test)} to judge by"
    )
    return Prepared(objective, found.fingerprint, found.notes, about, units.texts)
