"""A convolutional network's shapes and shortcuts; and a whitened stem that whitens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training.networks.cnn import CnnNetwork, Stage, WhitenedStem
from training.sections import Cnn


def network(**values: Any) -> CnnNetwork:
    """The same weights for the same widths."""
    torch.manual_seed(0)
    return CnnNetwork(Cnn(kind="cnn", **{"widths": (8, 12), **values}), 3, 5).eval()


def pictures(count: int = 4, side: int = 16) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stem", ["learned", "whitened"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("side", [16, 11, 5])
def test_logits_of_pictures_of_any_size(stem: str, norm: str, side: int) -> None:
    assert network(stem=stem, norm=norm)(pictures(side=side)).shape == (4, 5)


def test_each_stage_widens_and_halves() -> None:
    built = network(widths=(8, 12, 20))
    x = built.stem(pictures(side=16))
    sizes = [x.shape[1:]]
    for stage in built.stages:
        x = stage(x)
        sizes.append(x.shape[1:])
    assert sizes == [(32, 16, 16), (8, 8, 8), (12, 4, 4), (20, 2, 2)]


@pytest.mark.parametrize("residual", [True, False])
def test_blocks_stand_behind_a_shortcut(residual: bool) -> None:
    torch.manual_seed(0)
    stage = Stage(3, 8, Cnn(kind="cnn", blocks=2, residual=residual)).eval()
    x = pictures()
    y = stage.widen(x)
    for block in stage.blocks:
        y = y + block(y) if residual else block(y)
    torch.testing.assert_close(stage(x), y)


def test_the_highest_value_of_each_channel_counts_and_logits_are_scaled() -> None:
    built, scaled = network(), network(logit_scale=0.125)
    pooled = built.stages(built.stem(pictures())).flatten(2).max(-1).values
    expected = pooled @ built.classifier.weight.T + built.classifier.bias
    torch.testing.assert_close(built(pictures()), expected)
    torch.testing.assert_close(scaled(pictures()), 0.125 * expected)


def test_a_trained_two_sided_network_does_not_tell_a_picture_from_its_mirror_image() -> None:
    one, two, x = network(), network(two_sided=True), pictures()
    torch.testing.assert_close(two(x), (one(x) + one(x.flip(-1))) / 2)
    assert not torch.allclose(one(x), one(x.flip(-1)))
    torch.testing.assert_close(two.train()(x), one.train()(x))  # training has both sides by turns


def test_layer_norm_looks_at_one_example_alone() -> None:
    built = network(norm="layer").train()
    torch.testing.assert_close(built(pictures())[1:2], built(pictures()[1:2]))


def test_a_whitened_stem_gives_uncorrelated_directions_of_unit_variance() -> None:
    torch.manual_seed(0)
    smooth = F.avg_pool2d(torch.randn(200, 3, 18, 18), 3, 1) * torch.tensor([6.0, 30.0, 3.0]).reshape(3, 1, 1)
    stem = WhitenedStem(3, "relu")
    assert not stem.conv.weight.requires_grad
    assert stem.conv.bias is not None
    assert stem.conv.bias.requires_grad
    stem.fit(smooth)
    found = (stem.conv(smooth) - stem.conv.bias[:, None, None]).detach().transpose(0, 1).flatten(1)
    half = stem.outputs // 2
    torch.testing.assert_close(found[:half], -found[half:])
    covariance = torch.cov(found[:half])
    assert float((covariance - torch.diag(covariance.diagonal())).abs().max()) < 0.02
    assert float(covariance.diagonal().max()) == pytest.approx(1, abs=0.02)
    assert float(covariance.diagonal().min()) > 0.8


def test_what_compression_leaves_of_a_colour_is_not_blown_up() -> None:
    """Variances of some 1e-4 beside 1, as in JPEGs that keep colours at half the size."""
    torch.manual_seed(0)
    stem = WhitenedStem(3, "relu")
    faint = torch.randn(200, 3, 18, 18) * torch.tensor([1.0, 0.01, 0.01]).reshape(3, 1, 1)
    stem.fit(faint)
    assert float(stem.conv(faint).detach().var((0, 2, 3)).min()) < 0.02


def test_directions_of_no_variance_stay_finite() -> None:
    stem = WhitenedStem(1, "relu")
    stem.fit(torch.zeros(3, 1, 4, 4))
    assert torch.isfinite(stem.conv.weight).all()
