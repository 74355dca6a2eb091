"""Colour pictures for a network that knows only greys."""

from __future__ import annotations

from torch import Tensor, nn


class GreyInput(nn.Module):
    """Averages the colours of `[N, 3, H, W]` and hands `[N, 1, H, W]` on; a picture that comes back gets three."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives."""
        y: Tensor = self.network(x.mean(1, keepdim=True))
        return y if y.ndim < x.ndim else y.expand_as(x)
