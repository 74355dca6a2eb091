"""A fully connected network computes what its recipe says, layer by layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from training.networks.mlp import Layer, MlpNetwork
from training.sections import Mlp


def network(**values: Any) -> MlpNetwork:
    """The same weights for the same widths."""
    torch.manual_seed(0)
    return MlpNetwork(Mlp(kind="mlp", **values), 12, 5).eval()


def layers(built: MlpNetwork) -> list[Layer]:
    """Its hidden layers."""
    return [each for each in built.hidden if isinstance(each, Layer)]


@pytest.fixture
def pictures() -> Tensor:
    return torch.randn(7, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def test_it_is_linear_layers_and_activations(pictures: Tensor) -> None:
    built = network(hidden=(6, 4), activation="tanh")
    x = pictures.flatten(1)
    for layer in layers(built):
        x = torch.tanh(x @ layer.linear.weight.T + layer.linear.bias)
    torch.testing.assert_close(built(pictures), x @ built.classifier.weight.T + built.classifier.bias)


@pytest.mark.parametrize("hidden", [(), (3,), (8,) * 20])
def test_any_number_of_layers(pictures: Tensor, hidden: tuple[int, ...]) -> None:
    built = network(hidden=hidden)
    assert len(layers(built)) == len(hidden)
    assert built(pictures).shape == (7, 5)


def test_layers_can_be_repeated() -> None:
    assert [layer.linear.out_features for layer in layers(network(hidden=(3, 4), repeat=3))] == [3, 4] * 3


def test_inputs_are_added_where_widths_agree(pictures: Tensor) -> None:
    built = network(hidden=(6, 6, 4), residual=True)
    assert [layer.is_residual for layer in layers(built)] == [False, True, False]
    plain = network(hidden=(6, 6, 4))
    first = plain.hidden[0](pictures.flatten(1))
    torch.testing.assert_close(built.hidden[1](first), plain.hidden[1](first) + first)


def test_norms_are_where_they_are_wanted() -> None:
    kinds = {name: type(layers(network(norm=name))[0].norm).__name__ for name in ("none", "batch", "layer")}
    assert kinds == {"none": "Identity", "batch": "BatchNorm1d", "layer": "LayerNorm"}
    assert layers(network(norm="batch"))[0].linear.bias is None  # the norm would take it off again


def test_dropout_is_for_training_only(pictures: Tensor) -> None:
    built = network(hidden=(64,), dropout=0.5)
    assert torch.equal(built(pictures), network(hidden=(64,))(pictures))
    built.train()
    kept = built.hidden[0](pictures.flatten(1)) / built.eval().hidden[0](pictures.flatten(1))
    assert {round(each, 4) for each in kept[~kept.isnan()].tolist()} == {0.0, 2.0}
