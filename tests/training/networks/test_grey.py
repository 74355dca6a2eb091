"""A network that knows only greys takes colours."""

from __future__ import annotations

import torch
from torch import nn

from training.networks.grey import GreyInput


def test_colours_are_averaged() -> None:
    colours = torch.randn(2, 3, 4, 5)
    assert torch.equal(GreyInput(nn.Flatten())(colours), colours.mean(1).flatten(1))


def test_a_picture_that_comes_back_has_as_many_colours_as_before() -> None:
    grey = torch.randn(2, 1, 4, 4).expand(-1, 3, -1, -1)
    torch.testing.assert_close(GreyInput(nn.Identity())(grey), grey)
