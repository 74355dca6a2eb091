"""Trainings small enough for tests: digits of scikit-learn, a few hundred of them, and a network of few weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data.images import ImageData, digits
from training.initialise import initialise
from training.networks.build import image_network
from training.objectives.classification import Classification
from training.objectives.pictures import Parts, measured
from training.recipe import Recipe, parse

COUNTS = (160, 60, 60)  # to learn from, to steer by, to judge by


def content(**sections: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's table: a small network on digits, five steps an epoch, with these sections changed."""
    table: dict[str, Any] = {
        "task": "image-classification",
        "data": {"source": "digits", "size_px": 8},
        "network": {"kind": "mlp", "hidden": [16]},
        "optimise": {"rate": 0.01, "epochs": 3, "batch": 32},
    }
    for section, values in sections.items():
        table[section] = {**table.get(section, {}), **values}
    return table


def small_recipe(**sections: Mapping[str, Any]) -> Recipe:
    """The same, checked."""
    return parse("small", content(**sections))


@cache
def small_digits() -> ImageData:
    """A few of them, in parts."""
    data = digits()
    train, held, test = COUNTS
    rows = np.arange(train + held)
    return replace(data, train=data.train.taken(rows), test=data.test.taken(np.arange(test)))


def small_parts() -> Parts:
    """The parts of every small training."""
    data = small_digits()
    train, held = np.split(np.arange(len(data.train)), [COUNTS[0]])
    return Parts(data.train.taken(train), data.train.taken(held), data.test, data.classes)


def small_objective(recipe: Recipe, kind: type[Classification] = Classification) -> Classification:
    """The recipe's network, with its first weights, on the small digits."""
    parts = small_parts()
    if not recipe.data.validation:
        parts = replace(parts, validation=parts.validation.taken(np.arange(0)))
    torch.manual_seed(recipe.seed)
    network = image_network(recipe.network, len(parts.classes), recipe.train_px, is_grey=True, cache=Path())
    objective = kind(recipe, parts, network, measured(parts.train))
    examples = [objective.example((0, index)) for index in range(len(parts.train))]
    initialise(network, recipe.start, objective.inputs(objective.collate(examples)[0]))
    return objective
