"""From a recipe to a network with its first weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from training.errors import RecipeError
from training.export.efficientnet_lite import LITE0, LITE2, read_state
from training.networks import efficientnet_lite
from training.networks.autoencoder import AutoencoderNetwork
from training.networks.cnn import CnnNetwork
from training.networks.ctc import CtcNetwork
from training.networks.efficientnet_lite import SCALES, EfficientNetLite
from training.networks.grey import GreyInput
from training.networks.mlp import MlpNetwork
from training.sections import Autoencoder, Cnn, Ctc, Lite, Mlp

Network = Mlp | Cnn | Lite | Ctc | Autoencoder
PUBLISHED = {0: LITE0, 2: LITE2}


def image_network(section: Network, classes: int, side_px: int, *, is_grey: bool, cache: Path) -> nn.Module:
    """Normalised floats `[N, 3, side, side]` to logits `[N, classes]`, or to the input's shape for an autoencoder.

    Raises:
        SourceError: published weights cannot be had.
        RecipeError: the network is for something else.
    """
    channels = 1 if is_grey and section.kind != "efficientnet-lite" else 3
    inner = _image_network(section, classes, side_px, channels, cache)
    return GreyInput(inner) if channels == 1 else inner


def _image_network(section: Network, classes: int, side_px: int, channels: int, cache: Path) -> nn.Module:
    inputs = channels * side_px * side_px
    if isinstance(section, Mlp):
        return MlpNetwork(section, inputs, classes)
    if isinstance(section, Cnn):
        return CnnNetwork(section, channels, classes)
    if isinstance(section, Autoencoder):
        return AutoencoderNetwork(section, inputs)
    if isinstance(section, Lite):
        return _lite(section, classes, cache)
    raise RecipeError(f"a network of the kind {section.kind} takes no pictures")


def _lite(section: Lite, classes: int, cache: Path) -> EfficientNetLite:
    """The published network with a new last layer, or a fresh one."""
    network = EfficientNetLite(SCALES[section.size], classes)
    network.dropout = nn.Dropout(section.dropout)
    network.is_two_sided = section.two_sided
    if section.pretrained:
        state = read_state(PUBLISHED[section.size].weights.fetch(cache).path)
        named = {efficientnet_lite.own_key(key): value for key, value in state.items()}
        last = {f"classifier.{key}": value for key, value in network.classifier.state_dict().items()}
        network.load_state_dict({**named, **last})
    return network


def frozen(network: nn.Module, section: Network) -> Iterator[nn.Module]:
    """The parts of a network that its recipe does not train."""
    if isinstance(network, EfficientNetLite) and isinstance(section, Lite) and section.frozen_blocks:
        yield network.stem
        yield from list(network.blocks)[: section.frozen_blocks]


def still(network: nn.Module, section: Network) -> Iterator[nn.Module]:
    """The parts that learn but keep the statistics that they came with."""
    if isinstance(section, Lite) and section.frozen_norms:
        yield from (each for each in network.modules() if isinstance(each, nn.BatchNorm2d))


def speech_network(section: Ctc, tokens: int) -> CtcNetwork:
    """Log-mel features to logits of tokens; see `training.networks.ctc`."""
    return CtcNetwork(section, tokens)
