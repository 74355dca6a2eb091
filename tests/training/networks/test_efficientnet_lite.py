"""EfficientNet-Lite's shapes, padding and names."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from training.networks.efficientnet_lite import SCALES, EfficientNetLite, SameConv2d, load, own_key, same_padding

# Published sizes (the reference implementation's table), in millions of parameters.
MILLIONS = {0: 4.7, 1: 5.4, 2: 6.1, 3: 8.2, 4: 13.0}


@pytest.mark.parametrize("size", SCALES)
def test_each_size_has_its_published_number_of_parameters(size: int) -> None:
    with torch.device("meta"):
        network = EfficientNetLite(SCALES[size])
    assert sum(each.numel() for each in network.parameters()) / 1e6 == pytest.approx(MILLIONS[size], abs=0.06)


@given(size=st.integers(1, 300), kernel=st.sampled_from([1, 3, 5]), stride=st.sampled_from([1, 2]))
def test_same_padding_gives_the_ceiling_and_puts_the_odd_pixel_after(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert after - before in (0, 1)
    assert max(0, size + before + after - kernel) // stride + 1 == math.ceil(size / stride)


@given(size=st.integers(4, 20), kernel=st.sampled_from([3, 5]), stride=st.sampled_from([1, 2]))
def test_a_convolution_pads_like_an_explicit_pad(size: int, kernel: int, stride: int) -> None:
    conv = SameConv2d(2, 3, kernel, stride)
    x = torch.randn(1, 2, size, size + 1)
    pads = [*same_padding(size + 1, kernel, stride), *same_padding(size, kernel, stride)]
    torch.testing.assert_close(conv(x), F.conv2d(F.pad(x, pads), conv.weight, conv.bias, stride))


def test_logits_and_features_have_their_shapes() -> None:
    network = EfficientNetLite(SCALES[0], classes=7).eval()
    x = torch.randn(2, 3, 64, 64)
    assert network(x).shape == (2, 7)
    assert network.features(x).shape == (2, 1280, 2, 2)


def test_published_names_are_understood() -> None:
    assert own_key("_conv_stem.weight") == "stem.conv.weight"
    assert own_key("_blocks.3._bn2.running_mean") == "blocks.3.project.norm.running_mean"
    assert own_key("_fc.bias") == "classifier.bias"


def test_a_state_dict_must_fit_entirely() -> None:
    network = EfficientNetLite(SCALES[0], classes=7)
    state = dict(network.state_dict())
    load(network, state)
    state.pop("classifier.bias")
    with pytest.raises(RuntimeError, match=r"classifier\.bias"):
        load(network, state)


def test_a_trained_two_sided_network_does_not_tell_a_picture_from_its_mirror_image() -> None:
    torch.manual_seed(0)
    network, x = EfficientNetLite(SCALES[0], classes=7).eval(), torch.randn(2, 3, 64, 64)
    one, other = network(x), network(x.flip(-1))
    assert not torch.equal(one, other)
    network.is_two_sided = True
    torch.testing.assert_close(network(x), (one + other) / 2)
