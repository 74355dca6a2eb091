"""Each kind of network is built for its pictures; what a recipe freezes is found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from training.errors import RecipeError
from training.networks.build import Network, frozen, image_network, speech_network, still
from training.networks.efficientnet_lite import EfficientNetLite
from training.networks.grey import GreyInput
from training.sections import Autoencoder, Cnn, Ctc, Lite, Mlp

SIDE, CLASSES = 32, 7
LITE = Lite(kind="efficientnet-lite", pretrained=False)


def built(section: Network, *, is_grey: bool = False) -> nn.Module:
    return image_network(section, CLASSES, SIDE, is_grey=is_grey, cache=Path("/nowhere")).eval()


@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize(
    "section", [Mlp(kind="mlp"), Cnn(kind="cnn"), Cnn(kind="cnn", stem="whitened"), LITE], ids=lambda each: each.kind
)
def test_every_classifier_takes_colours(section: Network, is_grey: bool) -> None:
    network = built(section, is_grey=is_grey)
    with torch.no_grad():
        assert network(torch.randn(2, 3, SIDE, SIDE)).shape == (2, CLASSES)
    assert isinstance(network, GreyInput) is (is_grey and section.kind != "efficientnet-lite")


def test_greys_need_a_third_of_the_first_weights() -> None:
    matrices = [next(built(Mlp(kind="mlp"), is_grey=grey).parameters()) for grey in (False, True)]
    assert [each.shape[1] for each in matrices] == [3 * SIDE**2, SIDE**2]


@pytest.mark.parametrize("is_grey", [False, True])
def test_an_autoencoder_restores_what_it_was_given(is_grey: bool) -> None:
    network = built(Autoencoder(kind="autoencoder"), is_grey=is_grey)
    assert network(torch.randn(2, 3, SIDE, SIDE)).shape == (2, 3, SIDE, SIDE)


def test_a_network_for_speech_takes_no_pictures() -> None:
    with pytest.raises(RecipeError, match="a network of the kind ctc takes no pictures"):
        built(Ctc(kind="ctc"))
    assert speech_network(Ctc(kind="ctc", mels=8), 5)(torch.randn(1, 8, 20))[0].shape == (1, 5, 5)


def test_so_many_blocks_are_frozen_as_the_recipe_says() -> None:
    network = built(LITE)
    assert isinstance(network, EfficientNetLite)
    for count in (1, 3):
        parts = list(frozen(network, LITE.model_copy(update={"frozen_blocks": count})))
        assert parts == [network.stem, *list(network.blocks)[:count]]
    assert list(frozen(network, LITE)) == []
    assert list(frozen(built(Mlp(kind="mlp")), Mlp(kind="mlp"))) == []


def test_every_norm_is_still_where_the_recipe_says_so() -> None:
    network = built(LITE)
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    assert len(norms) == 49
    assert list(still(network, LITE.model_copy(update={"frozen_norms": True}))) == norms
    assert list(still(network, LITE)) == []
    assert list(still(built(Mlp(kind="mlp")), Mlp(kind="mlp"))) == []


def test_dropout_and_the_second_side_are_the_recipes() -> None:
    network = built(LITE.model_copy(update={"dropout": 0.4}))
    assert isinstance(network, EfficientNetLite)
    assert isinstance(network.dropout, nn.Dropout)
    assert network.dropout.p == 0.4
    assert not network.is_two_sided
    two_sided = built(LITE.model_copy(update={"two_sided": True}))
    assert isinstance(two_sided, EfficientNetLite)
    assert two_sided.is_two_sided
