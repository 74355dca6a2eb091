"""A fully connected network of any number of layers, over pixels.

Each hidden layer is linear → norm → activation → dropout; with `residual` a layer's input is added to its output
where the widths agree (He et al. 2015). It takes normalised pictures, as every classifier here does.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from training.activations import activation
from training.sections import Mlp, NormName


class Layer(nn.Module):
    """One hidden layer of a recipe's kind, `[N, inputs]` to `[N, outputs]`."""

    def __init__(self, inputs: int, outputs: int, section: Mlp) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=section.norm != "batch")
        self.norm = _norm(section.norm, outputs)
        self.activation = activation(section.activation)
        self.dropout = nn.Dropout(section.dropout)
        self.is_residual = section.residual and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """One layer further."""
        y: Tensor = self.dropout(self.activation(self.norm(self.linear(x))))
        return x + y if self.is_residual else y


class MlpNetwork(nn.Module):
    """Normalised floats `[N, channels, H, W]` to logits `[N, outputs]`."""

    def __init__(self, section: Mlp, inputs: int, outputs: int) -> None:
        """`inputs` is channels × H × W."""
        super().__init__()
        widths = [inputs, *section.hidden * section.repeat]
        self.hidden = nn.Sequential(*(Layer(before, after, section) for before, after in pairwise(widths)))
        self.classifier = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, outputs]`."""
        logits: Tensor = self.classifier(self.hidden(x.flatten(1)))
        return logits


def _norm(name: NormName, width: int) -> nn.Module:
    if name == "batch":
        return nn.BatchNorm1d(width)
    return nn.LayerNorm(width) if name == "layer" else nn.Identity()
