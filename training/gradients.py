"""The health of the gradients: how much of them reaches each layer, and which units pass nothing on.

Looks are taken every so many steps. From them come words (what is wrong, and what to change) and the curves of the
report. Gradients vanish where the first layer's are far smaller, by its weights, than the last layer's; they explode
where all together are suddenly far longer than they were; a unit is dead where it is silent for every example.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from training.activations import dead_fraction, is_activation
from training.initialise import Weighted

_VANISHED = 1e-4  # of the last layer's gradient, each by its weights
_EXPLODED = 50.0  # times the median of the last looks
_HUGE, _SHORT = 1e4, 1.0  # lengths that are too long, and that are fine, whatever came before
_DEAD = 0.9
_PATIENCE = 3  # looks in a row before anything is said
_REMEMBERED = 20
_TINY = 1e-30
_DEPTH = re.compile(r"_l(\d+)")  # in the names of a recurrent layer's weights


@dataclass(frozen=True)
class Look:
    """What one step's gradients were like."""

    step: int
    norm: float
    """Of all gradients together."""
    layers: dict[str, float]
    """Of each linear, convolutional or recurrent layer, first to last: length of its gradient by its weights'."""
    dead: dict[str, float]
    """Of each activation, first to last: fraction of units that pass nothing on, 0…1."""

    def as_json(self) -> dict[str, Any]:
        """For the history."""
        return {"step": self.step, "norm": self.norm, "layers": self.layers, "dead": self.dead}


class Watch:
    """Looks at one network's steps."""

    def __init__(self, network: nn.Module) -> None:
        self._layers = dict(_weights(network))
        self._parameters = [each for each in network.parameters() if each.requires_grad]
        self._activations = {name: each for name, each in network.named_modules() if is_activation(each)}
        self._dead: dict[str, float] = {}

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Note which units are dead in the forward passes inside."""
        self._dead = {}
        handles = [each.register_forward_hook(self._note(name)) for name, each in self._activations.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _note(self, name: str) -> Any:
        def note(module: nn.Module, _: Any, outputs: Tensor) -> None:
            self._dead[name] = dead_fraction(module, outputs)

        # a compiled network hands over what it computed, and the counting stays outside of its graph
        return torch.compiler.disable(note)  # type: ignore[no-untyped-call]  # torch's own

    def look(self, step: int) -> Look:
        """Read the gradients of the backward pass that has just been made."""
        layers = {name: _ratio(each) for name, each in self._layers.items() if all(w.grad is not None for w in each)}
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
        return Look(step, norm, layers, dict(self._dead))


def _weights(network: nn.Module) -> Iterator[tuple[str, list[Tensor]]]:
    """The trained matrices and kernels of each layer; a recurrent layer's two directions count as one layer."""
    for name, each in network.named_modules():
        if isinstance(each, Weighted):
            layers = {name: [each.weight]}
        elif isinstance(each, nn.RNNBase):
            matrices = [key for key, _ in each.named_parameters() if key.startswith("weight")]
            layers = {
                f"{name}.{depth}": [getattr(each, key) for key in matrices if _DEPTH.findall(key) == [str(depth)]]
                for depth in range(each.num_layers)
            }
        else:
            continue
        for layer, weights in layers.items():
            if all(weight.requires_grad for weight in weights):
                yield layer, weights


def _ratio(weights: list[Tensor]) -> float:
    """Length of the gradient by length of the weights, of the matrices of one layer together."""
    gradient, length = (
        torch.nn.utils.get_total_norm(tensors)
        for tensors in ([w.grad for w in weights if w.grad is not None], [w.detach() for w in weights])
    )
    return float(gradient / length.clamp(min=_TINY))


@dataclass
class Judge:
    """Turns looks into words; says each trouble once."""

    norms: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    counts: dict[str, int] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def words(self, look: Look) -> list[str]:
        """What is wrong and what to change; empty while all is well or was said before."""
        found = {
            "vanish": self._vanishing(look),
            "explode": self._exploding(look),
            "dead": self._dying(look),
        }
        self.norms.append(look.norm)
        return [words for kind, words in found.items() if self._is_new(kind, words) and words is not None]

    def _is_new(self, kind: str, words: str | None) -> bool:
        self.counts[kind] = self.counts.get(kind, 0) + 1 if words else 0
        needed = 1 if kind == "explode" else _PATIENCE
        if kind in self.said or self.counts[kind] < needed:
            return False
        self.said.add(kind)
        return True

    def _vanishing(self, look: Look) -> str | None:
        if len(look.layers) < 2:
            return None
        names = list(look.layers)
        first, small, large = names[0], look.layers[names[0]], look.layers[names[-1]]
        if not small < _VANISHED * large:
            return None
        return (
            f"gradients vanish: {first} gets {small / max(large, _TINY):.0e} of what the last layer gets, so it does "
            "not learn; use relu with start.initialiser = kaiming, a norm, residual connections, or fewer layers"
        )

    def _exploding(self, look: Look) -> str | None:
        usual = statistics.median(self.norms) if len(self.norms) >= _PATIENCE else math.inf
        if math.isfinite(look.norm) and look.norm <= _HUGE and look.norm <= max(_EXPLODED * usual, _SHORT):
            return None
        return (
            f"gradients explode: their length at step {look.step} is {look.norm:.3g}; set optimise.clip_norm (1 is "
            "usual), lower optimise.rate, or start with smaller weights"
        )

    def _dying(self, look: Look) -> str | None:
        dead = {name: share for name, share in look.dead.items() if share > _DEAD}
        if not dead:
            return None
        name, share = max(dead.items(), key=lambda item: item[1])
        return (
            f"units die: {share:.0%} of {name} are silent for every example; lower optimise.rate, use gelu or silu, "
            "or a norm"
        )

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"norms": list(self.norms), "counts": dict(self.counts), "said": sorted(self.said)}

    def restore(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.norms.extend(state["norms"])
        self.counts.update(state["counts"])
        self.said.update(state["said"])
