"""Training on pictures: their parts, how they are normalised and varied, and what every training on them shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.manifest import ImagePreprocessing
from training.data.augment_images import varied
from training.data.images import ImageData, Pictures
from training.data.split import first_of_each_class, grouped_split
from training.losses import rareness
from training.objectives.objective import Forward, Judgement, Key, Part, StepResult, generator, shuffled
from training.recipe import Recipe

_JUDGED_BATCH = 250
_JUDGED_PIXELS = _JUDGED_BATCH * 128**2  # at once: layers of larger pictures would need too much memory
Batch = tuple[Tensor, Tensor]
"""uint8 `[N, side, side, 3]` and class ids `[N]`."""


@dataclass(frozen=True)
class Parts:
    """The data of a run: what it learns from, steers by, and is judged by."""

    train: Pictures
    validation: Pictures
    test: Pictures
    classes: tuple[str, ...]
    is_grey: bool = False


def divided(data: ImageData, recipe: Recipe) -> Parts:
    """Hold out the validation part, and keep only so many labels where the recipe says so."""
    section, labels = recipe.data, data.train.class_ids.tolist()
    kept, held = grouped_split(data.train.contents, labels, section.validation, recipe.seed)
    train = data.train.taken(kept)
    if section.labels is not None:
        train = train.taken(first_of_each_class(train.class_ids.tolist(), section.labels, recipe.seed))
    return Parts(train, data.train.taken(held), data.test, data.classes, data.is_grey)


@dataclass(frozen=True)
class Normalisation:
    """What is taken off a pixel's 0…255 and what it is divided by, for each colour."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Tensor) -> Tensor:
        """0…255 `[N, H, W, 3]`, uint8 or blended floats, to floats `[N, 3, H, W]`."""
        floats = pixels.permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(each, device=pixels.device).reshape(1, -1, 1, 1) for each in (self.mean, self.std))
        return (floats - mean) / std


def resized(images: Tensor, side_px: int) -> Tensor:
    """`[N, C, H, W]` to `[N, C, side, side]`."""
    if images.shape[-1] == side_px:
        return images
    return F.interpolate(images, (side_px, side_px), mode="bicubic", antialias=True)


def measured(pictures: Pictures, most: int = 10_000) -> Normalisation:
    """Mean and spread of each colour over (some of) the pictures."""
    chosen = np.linspace(0, len(pictures) - 1, min(most, len(pictures))).astype(np.int64)
    pixels = np.stack([pictures.pixels(index) for index in chosen.tolist()]).astype(np.float64)
    mean, std = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
    return Normalisation(tuple(mean.round(2).tolist()), tuple(np.maximum(std, 1.0).round(2).tolist()))


def served(recipe: Recipe) -> ImagePreprocessing:
    """The shorter side to what the recipe judges at, and the square in the middle."""
    return ImagePreprocessing(resize_px=recipe.eval_px, crop_px=recipe.eval_px)


@dataclass
class PictureObjective(ABC):
    """Everything that both kinds of training on pictures share."""

    recipe: Recipe
    parts: Parts
    network: nn.Module
    normalise: Normalisation
    frozen: tuple[nn.Module, ...] = ()
    """What is not trained."""
    still: tuple[nn.Module, ...] = ()
    """Norms that are trained but keep their statistics."""
    unit: str = "images"
    _sampling: NDArray[np.float64] | None = field(init=False, default=None)
    _side_px: int = field(init=False)

    def __post_init__(self) -> None:
        """Freeze what is frozen; work out how often classes are drawn."""
        self._side_px = self.recipe.train_px
        for part in self.frozen:
            part.requires_grad_(False)
        if self.recipe.data.balance == "sampling":
            weights = self.class_weights().numpy()[self.parts.train.class_ids]
            self._sampling = weights / weights.sum()

    def class_weights(self) -> Tensor:
        """By the rareness of each class in the training part."""
        counts = np.bincount(self.parts.train.class_ids, minlength=len(self.parts.classes))
        return rareness(torch.from_numpy(counts)).double()

    @property
    def has_validation(self) -> bool:
        """Whether a validation part was held out."""
        return len(self.parts.validation) > 0

    @property
    def served(self) -> ImagePreprocessing:
        """How pictures reach the network in serving, and where it is judged."""
        return served(self.recipe)

    def order(self, epoch: int) -> Sequence[int]:
        """Every training picture once, or classes equally often."""
        count = len(self.parts.train)
        if self._sampling is None:
            return shuffled(self.recipe.seed, epoch, count)
        drawn: list[int] = generator(self.recipe.seed, epoch).choice(count, count, p=self._sampling).tolist()
        return drawn

    def example(self, key: Key) -> tuple[NDArray[np.uint8], int]:
        """A varied picture and its class."""
        epoch, index = key
        rng = generator(self.recipe.seed, epoch, index)
        is_mirrored = self.recipe.augment.flip and self._is_mirrored(epoch, index)
        picture = varied(self.parts.train.pixels(index), self.recipe.augment, rng, is_mirrored=is_mirrored)
        return picture, int(self.parts.train.class_ids[index])

    def _is_mirrored(self, epoch: int, index: int) -> bool:
        """At random at first, then by turns: every pair of epochs shows both sides (K. Jordan 2024)."""
        return bool((generator(self.recipe.seed, index).random() < 0.5) ^ (epoch % 2))

    def collate(self, examples: list[Any]) -> Batch:
        """Stacked."""
        pictures, class_ids = zip(*examples, strict=True)
        return torch.from_numpy(np.stack(pictures)), torch.tensor(class_ids)

    def begin_training(self, epoch: int) -> None:
        """Frozen parts and still norms keep their statistics; pictures may grow from epoch to epoch."""
        self.network.train()
        for part in (*self.frozen, *self.still):
            part.eval()
        self._side_px = self.recipe.side_px(epoch)

    def inputs(self, pixels: Tensor) -> Tensor:
        """What the network is trained on, of 0…255 `[N, H, W, 3]`: normalised, and at this epoch's size."""
        return resized(self.normalise(pixels), self._side_px)

    @abstractmethod
    def step(self, forward: Forward, batch: Batch, rng: np.random.Generator, device: torch.device) -> StepResult:
        """The loss of a batch."""

    @abstractmethod
    def judge(self, network: nn.Module, part: Part, device: torch.device) -> Judgement:
        """How well a network does."""

    def _judged(self, part: Part, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs as served, and class ids, batch by batch."""
        pictures = self.parts.test if part == "test" else self.parts.validation
        bar = tqdm(total=len(pictures), unit="picture", desc=part, leave=False, disable=None)
        most = min(_JUDGED_BATCH, max(1, _JUDGED_PIXELS // self.served.crop_px**2))
        with bar:
            for start in range(0, len(pictures), most):
                rows = range(start, min(len(pictures), start + most))
                pixels = np.stack([pictures.as_served(row, self.served) for row in rows])
                inputs = self.normalise(torch.from_numpy(pixels).to(device))
                yield inputs, torch.from_numpy(pictures.class_ids[start : rows.stop]).to(device)
                bar.update(len(rows))
