"""What a run takes over from runs before it: an encoder's layers, all weights, or answers to learn from.

Recipes name other recipes; what was never trained on these data is trained first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training import recipe as recipes
from training.errors import RecipeError
from training.objectives.classification import Classification
from training.preparation import Prepared, prepare, teacher_of
from training.recipe import Recipe
from training.run import Run

Finder = Callable[[Recipe, str], Run]
"""The finished run of a recipe on the data of that fingerprint, trained now if there is none."""
_NOT_BUILT = {"frozen_blocks", "frozen_norms", "dropout", "two_sided"}


@dataclass(frozen=True)
class Lineage:
    """A recipe with the runs before it."""

    recipe: Recipe
    prepared: Prepared
    data: Path | None
    cache: Path
    device: torch.device
    find: Finder
    say: Callable[[str], None]

    def take_over(self) -> None:
        """Change the prepared network and objective as the recipe says.

        Raises:
            RecipeError: a recipe before it does not fit, or is this one again.
            TrainingError: one of them could not be trained.
        """
        _refuse_circle(self.recipe)
        start, distillation = self.recipe.start, self.recipe.distillation
        begun = None if start.recipe is None else recipes.load(start.recipe)
        teachers = [] if distillation is None else [recipes.load(each) for each in distillation.teachers]
        self._refuse_others(begun, teachers)  # before hours are spent on training any of them
        if start.encoder is not None:
            self._begin_with_encoder(recipes.load(start.encoder))
        if begun is not None:
            self._go_on_from(begun)
        if teachers:
            self._learn_from(teachers)

    def _refuse_others(self, begun: Recipe | None, teachers: list[Recipe]) -> None:
        recipe, why = self.recipe, "so that what is held out here was held out there"
        if begun is not None and not (_built(begun) == _built(recipe) and self._holds_out_the_same(begun)):
            only = "only with the same network, data and seed"
            raise RecipeError(f"recipe {recipe.name}: it can go on from {begun.name} {only}, {why}")
        for each in teachers:
            if each.task != recipe.task or not self._holds_out_the_same(each):
                only = "only with the same task, data and seed"
                raise RecipeError(f"recipe {recipe.name}: {each.name} can teach it {only}, {why}")

    def _holds_out_the_same(self, source: Recipe) -> bool:
        return (source.data, source.seed) == (self.recipe.data, self.recipe.seed)

    def _begin_with_encoder(self, source: Recipe) -> None:
        """Copy the first layers from an autoencoder's encoder."""
        run = self.find(source, prepare(source, self.data, self.cache).fingerprint)
        layers = self._encoder_layers(run, source)
        network = self.prepared.objective.network
        target = network.state_dict()
        named = {name: each for name, each in layers.items() if name in target and target[name].shape == each.shape}
        if not any(each.ndim > 1 for each in named.values()):  # counters of norms have the same shape everywhere
            raise RecipeError(
                f"recipe {self.recipe.name}: none of its hidden layers has the shape of those of "
                f"{source.name}'s encoder"
            )
        network.load_state_dict({**target, **named})
        self.say(f"begins with {len(named)} tensors of the encoder of {run.id}")

    def _encoder_layers(self, run: Run, source: Recipe) -> dict[str, torch.Tensor]:
        network = run.load_weights(prepare(source, self.data, self.cache).objective.network)
        state = network.state_dict()
        return {name.replace("encoder.", "hidden.", 1): each for name, each in state.items() if "encoder." in name}

    def _go_on_from(self, source: Recipe) -> None:
        """Take all weights of another recipe's run on the same data.

        Source of going on with larger pictures: Tan and Le, "EfficientNetV2" (2021), progressive learning.
        """
        run = self.find(source, self.prepared.fingerprint)
        run.load_weights(self.prepared.objective.network)
        self.say(f"goes on from {run.id}")

    def _learn_from(self, sources: list[Recipe]) -> None:
        """Give the objective the networks whose answers it learns."""
        objective = self.prepared.objective
        assert isinstance(objective, Classification)  # noqa: S101 - the recipe has checked it
        runs = [self.find(source, self.prepared.fingerprint) for source in sources]
        objective.teachers = tuple(teacher_of(run, objective.parts, self.cache, self.device) for run in runs)
        self.say(f"learns from {', '.join(run.id for run in runs)}")


def _built(recipe: Recipe) -> dict[str, Any]:
    """What the network consists of, without what is only done to it in training or once it is trained."""
    return recipe.network.model_dump(exclude=_NOT_BUILT)


def _before(recipe: Recipe) -> Iterator[Recipe]:
    """The recipes that this one names."""
    taught_by = () if recipe.distillation is None else recipe.distillation.teachers
    named = [each for each in (recipe.start.encoder, recipe.start.recipe, *taught_by) if each is not None]
    return (recipes.load(each) for each in named)


def _refuse_circle(recipe: Recipe, behind: tuple[str, ...] = ()) -> None:
    if recipe.fingerprint in behind:
        raise RecipeError(f"recipe {recipe.name}: start or distillation leads in a circle")
    for each in _before(recipe):
        _refuse_circle(each, (*behind, recipe.fingerprint))
