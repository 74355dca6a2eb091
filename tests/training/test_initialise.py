"""First weights have the spread that their papers promise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.initialise import initialise, weighted_layers
from training.networks.cnn import CnnNetwork
from training.networks.ctc import CtcNetwork
from training.networks.mlp import MlpNetwork
from training.sections import Cnn, Ctc, InitialiserName, Mlp, Start

FAN_IN, FAN_OUT = 300, 200


def filled(name: InitialiserName, gain: float = 1.0) -> tuple[nn.Linear, nn.Conv2d]:
    """A linear layer and a convolution of 3 × 3, whose ratios of fans differ."""
    torch.manual_seed(0)
    linear, conv = nn.Linear(FAN_IN, FAN_OUT), nn.Conv2d(30, 60, 3)
    initialise(nn.ModuleList([linear, conv]), Start(initialiser=name, gain=gain))
    return linear, conv


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize(
    ("name", "linear", "conv"),
    [
        ("xavier", (2 / (FAN_IN + FAN_OUT)) ** 0.5, (2 / (9 * 30 + 9 * 60)) ** 0.5),
        ("kaiming", (2 / FAN_IN) ** 0.5, (2 / (9 * 30)) ** 0.5),
        ("default", (1 / 3 / FAN_IN) ** 0.5, (1 / 3 / (9 * 30)) ** 0.5),  # uniform within ±1/√fan
    ],
)
def test_the_spread_of_the_weights(name: InitialiserName, linear: float, conv: float, gain: float) -> None:
    layers: list[nn.Linear | nn.Conv2d] = list(filled(name, gain))
    for layer, expected in zip(layers, (linear, conv), strict=True):
        weight = layer.weight.detach()
        assert float(weight.std()) == pytest.approx(gain * expected, rel=0.02)
        assert abs(float(weight.mean())) < 0.1 * gain * expected
        assert layer.bias is not None
        assert bool(layer.bias.any()) is (name == "default")


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_orthogonal_rows_are_orthonormal(gain: float) -> None:
    layers: list[nn.Linear | nn.Conv2d] = list(filled("orthogonal", gain))
    for layer in layers:
        rows = layer.weight.detach().flatten(1)
        torch.testing.assert_close(rows @ rows.T, gain**2 * torch.eye(len(rows)), atol=1e-4, rtol=0)


def test_dirac_hands_the_inputs_on_through_the_first_filters() -> None:
    linear, conv = filled("dirac")
    pictures = torch.randn(2, 30, 5, 5)
    torch.testing.assert_close(conv(pictures)[:, :30], pictures[..., 1:-1, 1:-1])
    assert float(conv.weight[30:].detach().std()) == pytest.approx((1 / 3 / (9 * 30)) ** 0.5, rel=0.02)
    assert float(linear.weight.detach().std()) == pytest.approx((1 / 3 / FAN_IN) ** 0.5, rel=0.02)


def outputs(network: nn.Module, inputs: Tensor) -> list[Tensor]:
    """What each layer with weights gives."""
    seen: list[Tensor] = []
    handles = [
        each.register_forward_hook(lambda _, __, output: seen.append(output)) for each in weighted_layers(network)
    ]
    with torch.no_grad():
        network.eval()(inputs)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_lsuv_gives_every_layer_unit_variance(activation: str) -> None:
    torch.manual_seed(0)
    network = MlpNetwork(Mlp(kind="mlp", hidden=(50, 40, 30, 20), activation=activation), 192, 10)
    pictures = 5 * torch.randn(128, 3, 8, 8) + 1
    initialise(network, Start(initialiser="lsuv"), pictures)
    assert network.training
    assert [float(each.std()) for each in outputs(network, pictures)] == pytest.approx([1] * 5, abs=0.03)


def test_lsuv_works_on_convolutions_and_on_sound() -> None:
    torch.manual_seed(0)
    cnn = CnnNetwork(Cnn(kind="cnn", widths=(8, 8), norm="none"), 3, 10)
    pictures = torch.randn(32, 3, 8, 8)
    initialise(cnn, Start(initialiser="lsuv"), pictures)
    assert [float(each.std()) for each in outputs(cnn, pictures)] == pytest.approx([1] * 6, abs=0.03)
    ctc = CtcNetwork(Ctc(kind="ctc", mels=8, channels=(8,), context="attention", width=8, layers=1), 5)
    features = torch.randn(4, 8, 50)
    initialise(ctc, Start(initialiser="lsuv"), features)
    assert [float(each.std()) for each in outputs(ctc, features)] == pytest.approx([1] * 8, abs=0.03)


def test_lsuv_needs_a_batch() -> None:
    with pytest.raises(ValueError, match="LSUV measures on a batch"):
        initialise(nn.Linear(3, 3), Start(initialiser="lsuv"))


def test_lsuv_leaves_a_layer_that_gives_nothing() -> None:
    layer = nn.Linear(3, 3)
    initialise(layer, Start(initialiser="lsuv"), torch.zeros(4, 3))
    assert torch.isfinite(layer.weight).all()


def test_frozen_layers_keep_their_weights() -> None:
    frozen, trained = nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 3)
    network = nn.Sequential(frozen, nn.ReLU(), trained)
    before = frozen.weight.clone()
    assert list(weighted_layers(network)) == [trained]
    initialise(network, Start(initialiser="kaiming", gain=2))
    assert torch.equal(frozen.weight, before)
