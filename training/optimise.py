"""Optimisers and schedules of a recipe, PyTorch's own, and which weights are regularised.

Biases and norms' scales are neither decayed nor penalised: they have one dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from training.sections import Optimise

_FIRST_FACTOR = 0.01  # of the rate at the first step of a warm-up
_LAST_FACTOR = 1e-3  # of the rate at the end of a cosine
_ONE_CYCLE_DIV, _ONE_CYCLE_FINAL_DIV = 10.0, 1e3


def regularised(network: nn.Module) -> Iterator[Tensor]:
    """Weights that decay or are penalised: matrices and kernels."""
    return (each for each in network.parameters() if each.requires_grad and each.ndim > 1)


def _norm_biases(network: nn.Module) -> Iterator[Tensor]:
    norms = (each for each in network.modules() if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d))
    return (each.bias for each in norms if each.bias.requires_grad)


def build_optimiser(network: nn.Module, section: Optimise) -> Optimizer:
    """SGD with Nesterov momentum, or AdamW."""
    biases = list(_norm_biases(network)) if section.bias_rate != 1 else []
    fast = {id(each) for each in biases}
    free = [each for each in network.parameters() if each.requires_grad and each.ndim <= 1 and id(each) not in fast]
    bias_rate, bias_decay = section.rate * section.bias_rate, section.weight_decay / section.bias_rate
    groups: list[dict[str, Any]] = [
        {"params": list(regularised(network)), "weight_decay": section.weight_decay},
        {"params": free, "weight_decay": 0.0},
        {"params": biases, "lr": bias_rate, "weight_decay": bias_decay},
    ]
    groups = [group for group in groups if group["params"]]
    if section.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=section.rate, momentum=section.momentum, nesterov=section.momentum > 0)
    return torch.optim.AdamW(groups, lr=section.rate)


def build_schedule(optimiser: Optimizer, section: Optimise, steps: int) -> LRScheduler:
    """The rate of each of `steps` steps: a rise over the warm-up, then what the recipe says."""
    rise = round(section.warmup * steps)
    if section.schedule == "one-cycle":
        return OneCycleLR(
            optimiser,
            [group["lr"] for group in optimiser.param_groups],
            total_steps=max(2, steps),
            pct_start=min(0.9, max(section.warmup, 2 / max(2, steps))),  # it cannot do without a rise
            cycle_momentum=False,
            div_factor=_ONE_CYCLE_DIV,
            final_div_factor=_ONE_CYCLE_FINAL_DIV,
            anneal_strategy="linear",
        )
    behind: LRScheduler
    if section.schedule == "cosine":
        lowest = section.rate * _LAST_FACTOR
        behind = CosineAnnealingLR(optimiser, T_max=max(1, steps - rise), eta_min=lowest)
    else:
        behind = LinearLR(optimiser, 1.0, 1.0, 1)
    if not rise:
        return behind
    warm = LinearLR(optimiser, _FIRST_FACTOR, 1.0, rise)
    return SequentialLR(optimiser, [warm, behind], milestones=[rise])
