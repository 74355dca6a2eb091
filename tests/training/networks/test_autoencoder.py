"""An autoencoder goes through its code and back, and its encoder fits the beginning of a classifier."""

from __future__ import annotations

import pytest
import torch

from training.networks.autoencoder import AutoencoderNetwork
from training.networks.mlp import MlpNetwork
from training.sections import Autoencoder, Mlp


@pytest.mark.parametrize(("hidden", "widths"), [((), [48, 4, 48]), ((20, 10), [48, 20, 10, 4, 10, 20, 48])])
def test_widths_are_mirrored_around_the_code(hidden: tuple[int, ...], widths: list[int]) -> None:
    network = AutoencoderNetwork(Autoencoder(kind="autoencoder", hidden=hidden, code=4), 48)
    matrices = [each for each in network.parameters() if each.ndim == 2]
    assert [matrices[0].shape[1], *(each.shape[0] for each in matrices)] == widths
    pictures = torch.randn(5, 3, 4, 4)
    assert network(pictures).shape == pictures.shape
    assert network.encoder(pictures.flatten(1)).shape == (5, 4)


def test_what_comes_out_may_be_any_number() -> None:
    """The last layer is linear, or normalised pictures could not be restored."""
    torch.manual_seed(0)
    network = AutoencoderNetwork(Autoencoder(kind="autoencoder", activation="sigmoid"), 48)
    restored = network(100 * torch.randn(50, 3, 4, 4)).detach()
    assert float(restored.min()) < 0 < float(restored.max())


def test_only_the_code_is_remembered() -> None:
    torch.manual_seed(0)
    network = AutoencoderNetwork(Autoencoder(kind="autoencoder", hidden=(), code=2, activation="tanh"), 12)
    restored = network(torch.randn(40, 3, 2, 2)).flatten(1).detach()
    spread = torch.linalg.svdvals(restored - restored.mean(0))
    assert int((spread > 1e-4 * spread[0]).sum()) == 2


def test_the_encoder_has_the_names_and_shapes_of_a_classifiers_hidden_layers() -> None:
    encoder = AutoencoderNetwork(Autoencoder(kind="autoencoder", hidden=(20,), code=10), 48).encoder.state_dict()
    hidden = MlpNetwork(Mlp(kind="mlp", hidden=(20, 10)), 48, 5).hidden.state_dict()
    assert {name: each.shape for name, each in encoder.items()} == {name: each.shape for name, each in hidden.items()}
