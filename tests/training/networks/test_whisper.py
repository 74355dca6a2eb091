"""The network's shapes, and what each position may see."""

from __future__ import annotations

import torch

from tests.whispers import SIZE, small_whisper


def test_shapes() -> None:
    network = small_whisper()
    states = network.encode(torch.zeros(1, 16_000))
    assert states.shape == (1, 1500, SIZE.width)
    cross = network.cross(states)
    assert [tensor.shape for pair in cross for tensor in pair] == [(1, SIZE.heads, 1500, 64)] * 4
    assert network.decoder(torch.tensor([[1, 2, 3]]), cross).shape == (1, 3, SIZE.vocabulary)


def test_a_position_sees_only_what_stands_before_it() -> None:
    network = small_whisper()
    cross = network.cross(network.encode(torch.zeros(1, 16_000)))
    short = network.decoder(torch.tensor([[5, 6]]), cross)
    long = network.decoder(torch.tensor([[5, 6, 7, 8]]), cross)
    torch.testing.assert_close(long[:, :2], short)


def test_the_sound_matters() -> None:
    network = small_whisper()
    tokens = torch.tensor([[5, 6]])
    noise = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(network(noise, tokens), network(torch.zeros(1, 16_000), tokens), atol=1e-3)
