"""Pictures of 4 px, each of one level, and a network that looks at nothing but that, for figures a hand can count."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.images import Pictures
from training.objectives.classification import Classification
from training.objectives.pictures import Normalisation, Parts
from training.recipe import Recipe, parse

CPU = torch.device("cpu")
PLAIN = Normalisation((0.0,) * 3, (255.0,) * 3)
UNEQUAL = [0] * 180 + [1] * 20
"""Class ids of which one is rare."""


def recipe(**sections: dict[str, Any]) -> Recipe:
    """Of a small network on these pictures, with these sections changed."""
    content: dict[str, Any] = {
        "task": "image-classification",
        "data": {"size_px": 4, "validation": 0.2},
        "network": {"kind": "mlp", "hidden": [8]},
    }
    for name, values in sections.items():
        content[name] = values if "kind" in values else {**content.get(name, {}), **values}
    return parse("tiny", content)


def pictures(levels: NDArray[np.float64], class_ids: list[int]) -> Pictures:
    """Squares of 4 px, each of one level 0…255."""
    squares = np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (len(levels), 4, 4, 3)).copy()
    ids = np.array(class_ids, np.int64)
    return Pictures(squares, np.arange(len(levels)), ids, tuple(str(n) for n in range(len(levels))))


def parts(class_ids: list[int], classes: int = 2, test: Pictures | None = None) -> Parts:
    """Pictures of random levels to learn from, none to steer by, and none or these to judge by."""
    levels = np.random.default_rng(0).integers(0, 256, len(class_ids)).astype(np.float64)
    train = pictures(levels, class_ids)
    none = train.taken(np.zeros(0, np.int64))
    return Parts(train, none, none if test is None else test, tuple(f"class {n}" for n in range(classes)))


class Ladder(nn.Module):
    """Logits of class k: minus the distance of the picture's level from k tenths."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 3, 4, 4]` to `[N, classes]`."""
        return -10 * (x.mean((1, 2, 3))[:, None] - torch.arange(self.classes) / 10).abs()


def objective(config: Recipe, given: Parts, network: nn.Module | None = None) -> Classification:
    """Of that recipe, with its network or `Ladder`."""
    return Classification(config, given, network or Ladder(len(given.classes)), PLAIN)
