"""What a task adds to the training loop: examples, batches, a loss, and how well a network does.

The loop knows no pictures and no speech. Everything random in an example or a step comes from generators that are
seeded by what it is (`generator`), so a run that was stopped goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

Key = tuple[int, int]
"""Epoch and index of a training example."""
Part = Literal["validation", "test"]
Forward = Callable[..., Any]


@dataclass(frozen=True)
class StepResult:
    """What one batch gave: its mean loss, how many were right of how many, and the amount of data."""

    loss: Tensor
    right: float
    count: int
    amount: float
    """In the objective's unit: pictures, or seconds of audio."""


@dataclass(frozen=True)
class Judgement:
    """How well a network does on examples that it has not learnt from."""

    loss: float
    figures: dict[str, float]
    """By name, fractions 0…1; the first is the one that is steered by."""
    score: tuple[float, ...]
    """What is compared, more being better: the first figure, and the loss where figures are equal."""
    details: Any = None
    """What the report of the task is made from."""


class Objective(Protocol):
    """One task on one set of data, with its network."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""
        ...

    @property
    def unit(self) -> str:
        """What amounts are counted in."""
        ...

    @property
    def has_validation(self) -> bool:
        """Whether a validation part was held out."""
        ...

    def order(self, epoch: int) -> Sequence[int]:
        """Indices of an epoch's examples in their order."""
        ...

    def example(self, key: Key) -> Any:
        """One training example, varied."""
        ...

    def collate(self, examples: list[Any]) -> Any:
        """A batch of them."""
        ...

    def begin_training(self, epoch: int) -> None:
        """Put the network into training mode, whatever is frozen left as it is."""
        ...

    def step(self, forward: Forward, batch: Any, rng: np.random.Generator, device: torch.device) -> StepResult:
        """The loss of a batch; `forward` is the network as it is trained (wrapped, compiled)."""
        ...

    def judge(self, network: nn.Module, part: Part, device: torch.device) -> Judgement:
        """How well a network of the same shape does."""
        ...


def generator(*key: int) -> np.random.Generator:
    """Random numbers that depend on these whole numbers alone."""
    return np.random.default_rng(np.random.SeedSequence(key))


def shuffled(seed: int, epoch: int, count: int) -> Sequence[int]:
    """A permutation of `count` for an epoch."""
    order: list[int] = generator(seed, epoch).permutation(count).tolist()
    return order
