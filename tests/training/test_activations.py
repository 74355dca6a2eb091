"""Activations are PyTorch's, and what passes on no gradient is told, whatever the shape of the layer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.activations import ACTIVATIONS, activation, dead_fraction, is_activation
from training.sections import ActivationName

SILENCING = {"sigmoid": -20.0, "tanh": 20.0, "relu": -1.0, "gelu": -20.0, "silu": -20.0}


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("relu", lambda x: x.clamp(min=0)),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
        ("silu", lambda x: x * torch.sigmoid(x)),
    ],
)
def test_each_is_its_formula(name: ActivationName, function: type[Tensor]) -> None:
    x = torch.linspace(-4, 4, 101)
    torch.testing.assert_close(activation(name)(x), function(x))


def test_every_activation_can_be_watched() -> None:
    assert all(is_activation(activation(name)) for name in ACTIVATIONS)
    assert is_activation(nn.ReLU6())
    assert not is_activation(nn.Linear(1, 1))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(
    ("shape", "units"), [((6, 4), 1), ((6, 4, 3, 3), 1), ((6, 5, 4), 2)], ids=["linear", "pictures", "frames"]
)
def test_a_unit_is_dead_where_it_is_silent_for_every_example(
    name: ActivationName, shape: tuple[int, ...], units: int
) -> None:
    module = activation(name)
    x = torch.full(shape, 0.5)
    x.select(units, 0).fill_(SILENCING[name])  # one unit of four, for every example
    x[0] = SILENCING[name]  # and everything for one example, which silences no unit
    assert dead_fraction(module, module(x)) == 0.25
    assert dead_fraction(module, module(torch.full(shape, 0.5))) == 0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_is_called_silent_passes_on_next_to_no_gradient(name: ActivationName) -> None:
    x = torch.full((3, 1), SILENCING[name], requires_grad=True)
    y = activation(name)(x)
    assert dead_fraction(activation(name), y) == 1
    y.sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().max()) < 0.02
