"""An autoencoder: pixels through a narrow code and back. Its encoder can begin a classifier that has few labels.

Source of the idea: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks" (2006).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from training.networks.mlp import Layer
from training.sections import Autoencoder, Mlp


class AutoencoderNetwork(nn.Module):
    """Normalised floats `[N, channels, H, W]` to the same shape."""

    def __init__(self, section: Autoencoder, inputs: int) -> None:
        """`inputs` is channels × H × W."""
        super().__init__()
        widths = [inputs, *section.hidden, section.code]
        layers = Mlp(kind="mlp", activation=section.activation, norm=section.norm)
        self.encoder = nn.Sequential(*(Layer(before, after, layers) for before, after in pairwise(widths)))
        back = widths[::-1]
        self.decoder = nn.Sequential(
            *(Layer(before, after, layers) for before, after in pairwise(back[:-1])), nn.Linear(back[-2], back[-1])
        )

    def forward(self, x: Tensor) -> Tensor:
        """The input, as well as the code remembers it."""
        restored: Tensor = self.decoder(self.encoder(x.flatten(1)))
        return restored.reshape(x.shape)
