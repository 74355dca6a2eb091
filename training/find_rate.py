"""The learning-rate finder: a short run whose rate rises step by step, until the loss gives out.

The rate to train with lies where the loss falls most steeply, well below the one where it begins to rise. Source:
Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from training import plots
from training.distributed import World
from training.errors import DivergedError
from training.objectives.objective import Objective, generator
from training.optimise import build_optimiser
from training.recipe import Recipe
from training.report import Picture, Section, Table, text, write

LOWEST, HIGHEST = 1e-6, 10.0
STEPS = 100
_SMOOTHING = 0.9  # of the running mean of losses
_GIVEN_UP = 4.0  # times the lowest loss
_EDGE = 5  # first steps are not believed: the running mean has seen too little
_FEWEST = 12


@dataclass(frozen=True)
class RateSearch:
    """What was tried and what follows from it."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed, one for each rate."""
    suggested: float
    """Where the loss fell most steeply; use it as `optimise.rate`."""
    highest: float
    """Where the loss was lowest: from there on it gave out."""

    def as_json(self) -> dict[str, Any]:
        """For the run's folder."""
        return {**vars(self), "rates": list(self.rates), "losses": list(self.losses)}


def find_rate(recipe: Recipe, objective: Objective, world: World, steps: int = STEPS) -> RateSearch:
    """Train for so many steps with a rate that rises evenly, in its logarithm, from 1e-6 to 10.

    Raises:
        DivergedError: the loss was no number before anything could be seen.
    """
    network = objective.network.to(world.device)
    optimiser = build_optimiser(network, recipe.optimise)
    factors = [group["lr"] / recipe.optimise.rate for group in optimiser.param_groups]
    rates, losses = list[float](), list[float]()
    mean = 0.0
    objective.begin_training(0)
    for step, rate in enumerate(np.geomspace(LOWEST, HIGHEST, steps).tolist()):
        for group, factor in zip(optimiser.param_groups, factors, strict=True):
            group["lr"] = rate * factor
        loss = _step(recipe, objective, world, optimiser, step)
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smooth = mean / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(smooth) or (step > _EDGE and smooth > _GIVEN_UP * min(losses)):
            break
        rates.append(rate)
        losses.append(smooth)
    return _judged(rates, losses)


def _step(recipe: Recipe, objective: Objective, world: World, optimiser: torch.optim.Optimizer, step: int) -> float:
    """The loss of one batch, before the weights follow it; epochs of data follow each other as in training."""
    order = objective.order(0)
    batch = min(recipe.optimise.batch, len(order))
    per_epoch = max(1, len(order) // batch)
    epoch, place = divmod(step, per_epoch)
    keys = [(epoch, index) for index in objective.order(epoch)[place * batch : (place + 1) * batch]]
    rng = generator(recipe.seed, step)
    torch.manual_seed(int(rng.integers(2**62)))
    optimiser.zero_grad()
    examples = objective.collate([objective.example(key) for key in keys])
    result = objective.step(objective.network, examples, rng, world.device)
    result.loss.backward()  # type: ignore[no-untyped-call]  # torch's own
    if recipe.optimise.clip_norm is not None:
        nn.utils.clip_grad_norm_(objective.network.parameters(), recipe.optimise.clip_norm)
    optimiser.step()
    return float(result.loss.detach())


def _judged(rates: list[float], losses: list[float]) -> RateSearch:
    if len(rates) < _FEWEST:
        raise DivergedError(
            "the loss gave out at once, at the lowest rates: check the data, or choose another start.initialiser"
        )
    bottom = int(np.argmin(losses[_EDGE:])) + _EDGE
    slopes = np.gradient(np.array(losses), np.log(rates))
    steepest = _EDGE + int(np.argmin(slopes[_EDGE : bottom + 1]))
    return RateSearch(tuple(rates), tuple(losses), float(f"{rates[steepest]:.2g}"), float(f"{rates[bottom]:.2g}"))


def report(recipe: Recipe, found: RateSearch, path: Path) -> None:
    """One page with the curve."""
    picture = Picture(plots.rate_search(found.rates, found.losses, found.suggested), "Loss against learning rate")
    rows = (
        ("suggested: the steepest fall", text(found.suggested)),
        ("lowest loss; higher rates give out", text(found.highest)),
        ("the recipe's own", text(recipe.optimise.rate)),
    )
    section = Section("Learning rates", pictures=(picture,), tables=(Table(("rate", "value"), rows),))
    write(path, f"{recipe.name}: a rate of {found.suggested:g}", "The rate rises with every step.", [section])
