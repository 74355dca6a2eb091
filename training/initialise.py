"""What a network's weights are before the first step: Xavier, Kaiming, orthogonal, LSUV, or what the layers bring.

Sources: Glorot and Bengio 2010; He et al. 2015; Saxe et al. 2013; Mishkin and Matas, "All you need is a good init"
(LSUV: orthogonal, then each layer's output scaled to unit variance on real data). Biases start at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from training.sections import Start

_LSUV_TRIES, _LSUV_TOLERANCE = 10, 0.02
Weighted = nn.Linear | nn.Conv1d | nn.Conv2d


def _pass_on(weight: Tensor) -> Tensor:
    """PyTorch's own start, save that a convolution's first filters hand its inputs on (Zagoruyko, Komodakis 2017)."""
    nn.init.kaiming_uniform_(weight, a=5**0.5)
    if weight.ndim > 2:
        nn.init.dirac_(weight[: weight.shape[1]])
    return weight


_FILL: dict[str, Callable[[Tensor], object]] = {
    "xavier": nn.init.xavier_uniform_,
    "kaiming": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
    "lsuv": nn.init.orthogonal_,
    "dirac": _pass_on,
}


def initialise(network: nn.Module, start: Start, example: Tensor | None = None) -> None:
    """Fill the linear and convolutional layers; `example`, a batch of inputs, is what LSUV measures on.

    Raises:
        ValueError: LSUV without a batch.
    """
    layers = list(weighted_layers(network))
    if start.initialiser != "default":
        for layer in layers:
            _FILL[start.initialiser](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if start.initialiser == "lsuv":
        if example is None:
            raise ValueError("LSUV measures on a batch of inputs")
        _scale_to_unit_variance(network, layers, example)
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(start.gain)


def weighted_layers(network: nn.Module) -> Iterator[Weighted]:
    """Linear and convolutional layers that are trained, in the order in which they were built."""
    return (
        each
        for each in network.modules()
        if isinstance(each, nn.Linear | nn.Conv1d | nn.Conv2d) and each.weight.requires_grad
    )


@torch.no_grad()
def _scale_to_unit_variance(network: nn.Module, layers: list[Weighted], example: Tensor) -> None:
    """Layer after layer, since each one's input is the output of those before it."""
    was_training = network.training
    network.eval()
    for layer in layers:
        for _ in range(_LSUV_TRIES):
            spread = float(_output_of(network, layer, example).std())
            if not spread > 0 or abs(spread - 1) < _LSUV_TOLERANCE:
                break
            layer.weight.div_(spread)
    network.train(was_training)


def _output_of(network: nn.Module, layer: nn.Module, example: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        network(example)
    finally:
        handle.remove()
    return seen[0]
