"""Activations by name, as PyTorch has them; and which of a layer's units they have silenced."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from training.sections import ActivationName

ACTIVATIONS: Mapping[ActivationName, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

_SATURATED = 0.01  # how near to its limit a sigmoid or tanh passes on less than a fiftieth of a gradient
_SILENT: Mapping[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.Sigmoid: lambda y: (y < _SATURATED) | (y > 1 - _SATURATED),
    nn.Tanh: lambda y: y.abs() > 1 - 2 * _SATURATED,
    nn.ReLU: lambda y: y <= 0,
    nn.ReLU6: lambda y: y <= 0,
    nn.GELU: lambda y: (y <= 0) & (y > -_SATURATED),
    nn.SiLU: lambda y: (y <= 0) & (y > -_SATURATED),
}


def activation(name: ActivationName) -> nn.Module:
    """A fresh module."""
    return ACTIVATIONS[name]()


def is_activation(module: nn.Module) -> bool:
    """Whether dead units can be told of it."""
    return type(module) in _SILENT


def dead_fraction(module: nn.Module, outputs: Tensor) -> float:
    """Fraction of an activation's units that pass on no gradient for any example, 0…1.

    Units are the channels of `[N, units, H, W]`, and the last axis of `[N, units]` and `[N, frames, units]`.
    """
    with torch.no_grad():
        silent = _SILENT[type(module)](outputs.detach())
        units = 1 if silent.ndim == 4 else silent.ndim - 1
        others = [axis for axis in range(silent.ndim) if axis != units]
        return float(silent.all(dim=others).float().mean())
