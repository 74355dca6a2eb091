"""A recipe: every hyper-parameter of one training, read from TOML, checked field by field, hashed into the run's id.

A recipe's file name is the model's name. What a recipe does not say has the default written here; what it says
wrongly (an unknown key, a word that is none of those allowed) is one sentence. Nothing here builds or trains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from models.manifest import Name
from training.definitions import RECIPES, Section, checked, override, put, read
from training.sections import (
    Augment,
    Autoencoder,
    Cnn,
    Cost,
    Ctc,
    DataSection,
    Distillation,
    Health,
    LossSection,
    Mlp,
    NetworkSection,
    Optimise,
    Start,
    Stop,
)

Task = Literal["image-classification", "speech-recognition", "reconstruction"]
_GROWTH_PX = 32


class Recipe(Section):
    """One training, whole."""

    name: Name
    task: Task
    about: str = ""
    licence: str = "Apache-2.0"
    """Of the weights that come out."""
    limits: str = ""
    """What the model should not be trusted with, for its card."""
    words_of: str | None = None
    """Fingerprint of the data that licence and limits speak of: with others they are not said. None is any data."""
    language: str = "en"
    """Speech: what is spoken."""
    cost: Cost = Cost()
    data: DataSection = DataSection()
    network: NetworkSection
    start: Start = Start()
    loss: LossSection = LossSection()
    distillation: Distillation | None = None
    optimise: Optimise = Optimise()
    augment: Augment = Augment()
    stop: Stop = Stop()
    health: Health = Health()
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        """A network, a loss and a task that belong together."""
        is_ctc = (self.network.kind == "ctc", self.loss.kind == "ctc", self.task == "speech-recognition")
        if len(set(is_ctc)) != 1:
            raise ValueError("a ctc network, a ctc loss and the task speech-recognition go together")
        is_code = (self.network.kind == "autoencoder", self.task == "reconstruction")
        if len(set(is_code)) != 1:
            raise ValueError("an autoencoder and the task reconstruction go together")
        if self.task == "reconstruction" and self.loss.kind not in {"l1", "l2", "huber"}:
            raise ValueError("a reconstruction is judged by l1, l2 or huber")
        if self.distillation is not None and self.task != "image-classification":
            raise ValueError("distillation is for the task image-classification")
        if self.stop.patience is not None and self.data.validation == 0:
            raise ValueError("stop.patience needs a validation part: data.validation is 0")
        if self.stop.patience is not None and self.stop.keep == "last":
            raise ValueError("stop.patience ends behind the best epoch, so stop.keep = last would keep a worse one")
        is_published = self.network.kind == "efficientnet-lite" and self.network.pretrained
        if is_published and (self.start.initialiser, self.start.gain) != ("default", 1.0):
            raise ValueError("start.initialiser and start.gain would overwrite published weights: leave them out")
        if self.network.kind == "efficientnet-lite" and self.network.frozen_norms and self._begins_anew:
            raise ValueError(
                "network.frozen_norms keeps statistics that a fresh network does not have yet: leave it out"
            )
        if self.optimise.batch % self.optimise.accumulate:
            raise ValueError("optimise.batch must be a multiple of optimise.accumulate")
        if self.task == "speech-recognition" and self.data.source == "digits":
            raise ValueError("data.source digits holds pictures and no recordings")
        return self

    @model_validator(mode="after")
    def _network_fits(self) -> Recipe:
        """A network that can be built and can take the pictures."""
        network, sides_px = self.network, {self.train_px, self.eval_px, self.augment.first_px or self.train_px}
        side_px = min(sides_px)
        if isinstance(network, Mlp | Autoencoder) and len(sides_px) > 1:
            raise ValueError(f"a network of the kind {network.kind} is judged at the size that it is trained at")
        if self.augment.first_px is not None and self.augment.first_px > self.train_px:
            raise ValueError("augment.first_px is the side to grow from: at most that of augment.input_px")
        if isinstance(network, Cnn) and (side_px - (network.stem == "whitened")) >> len(network.widths) == 0:
            raise ValueError(f"pictures of {side_px} pixels cannot be halved {len(network.widths)} times")
        if isinstance(network, Ctc) and network.context == "attention" and network.width % network.heads:
            raise ValueError("network.width must be a multiple of network.heads")
        return self

    @property
    def _begins_anew(self) -> bool:
        is_published = self.network.kind == "efficientnet-lite" and self.network.pretrained
        return not is_published and self.start.recipe is None

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of everything that decides the outcome; words about the recipe do not count."""
        content = self.model_dump(mode="json", exclude={"about", "cost", "limits", "licence", "words_of"})
        if self.distillation is None:
            del content["distillation"]  # so that runs from before there was such a section are found
        if self.stop.keep == "best":
            del content["stop"]["keep"]  # likewise
        for newer in ("test_speaker", "test_block"):
            if content["data"][newer] is None:
                del content["data"][newer]  # likewise
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]

    def having(self, values: Mapping[str, Any]) -> Recipe:
        """The recipe with some values replaced, named as on the command line: `having({"optimise.rate": 0.1})`.

        Raises:
            RecipeError: a key or a value is wrong.
        """
        content = self.model_dump(mode="json", exclude_unset=True)
        for key, value in values.items():
            put(content, key, value)
        return parse(self.name, content)

    def called(self, name: str) -> Recipe:
        """The recipe under another name, which is then that of its model.

        Raises:
            RecipeError: that is no name.
        """
        return parse(name, self.model_dump(mode="json", exclude={"name"}, exclude_unset=True))

    def trained_on(self, fingerprint: str) -> Recipe:
        """The recipe as it may speak of a model that learnt from these data, perhaps not those it was made for."""
        if self.words_of is None or self.words_of == fingerprint:
            return self
        is_published = self.network.kind == "efficientnet-lite" and self.network.pretrained
        base = "that of the published weights (Apache-2.0)" if is_published else "none stated"
        licence = f"{base}, and whatever the owner of the training data asks"
        return self.model_copy(update={"licence": licence, "limits": ""})

    @property
    def train_px(self) -> int:
        """Side of the pictures that the network is trained on."""
        return self.augment.input_px or self.data.size_px

    def side_px(self, epoch: int) -> int:
        """Side of the pictures that the network is trained on in one epoch, from 0."""
        first, last = self.augment.first_px, self.train_px
        if first is None or self.optimise.epochs == 1:
            return last
        grown = (last - first) * epoch / (self.optimise.epochs - 1)
        return min(last, first + _GROWTH_PX * round(grown / _GROWTH_PX)) if epoch < self.optimise.epochs - 1 else last

    @property
    def eval_px(self) -> int:
        """Side of the pictures that it is judged and served on."""
        return self.augment.eval_px or self.train_px


def load(reference: str, overrides: Iterable[str] = (), folder: Path = RECIPES) -> Recipe:
    """The recipe of that name, or of that file; `overrides` are `section.key=value` with a TOML value.

    Raises:
        RecipeError: there is no such recipe, or it is wrong somewhere.
    """
    name, content = read("recipe", reference, folder)
    for each in overrides:
        override(content, each)
    return parse(name, content)


def parse(name: str, content: Mapping[str, Any]) -> Recipe:
    """A recipe from a table.

    Raises:
        RecipeError: naming the key and what is wrong with it.
    """
    return checked("recipe", Recipe, name, content)
