"""Losses by name, all of them PyTorch's own; the L1 penalty; and what a class's rareness weighs.

Classes are learnt from targets that are distributions, `[N, classes]`: one-hot, smoothed, or blended by mixup. L1, L2
and Huber compare the softmax with them, which learns more slowly than cross-entropy: the sweep of losses shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.sections import LossSection

Loss = Callable[[Tensor, Tensor], Tensor]
"""Network's output and target to a scalar, the mean over the batch."""
CtcLossFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Log-probabilities `[frames, N, tokens]`, targets, lengths of both, to a scalar."""
BLANK = 0

_DISTANCES: dict[str, Callable[..., Tensor]] = {"l1": F.l1_loss, "l2": F.mse_loss, "huber": F.huber_loss}


def classification_loss(section: LossSection, class_weights: Tensor | None = None) -> Loss:
    """From logits `[N, classes]` and target distributions `[N, classes]`."""
    if section.kind == "cross-entropy":
        return lambda logits, targets: F.cross_entropy(
            logits, targets, weight=class_weights, label_smoothing=section.label_smoothing
        )
    weigh = _weighted(class_weights)
    if section.kind == "binary-cross-entropy":
        return lambda logits, targets: F.binary_cross_entropy_with_logits(
            logits, _smoothed(targets, section.label_smoothing), weight=weigh(targets)
        )
    distance = _DISTANCES[section.kind]

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        smoothed = _smoothed(targets, section.label_smoothing)
        return (weigh(targets) * distance(torch.softmax(logits, dim=-1), smoothed, reduction="none")).mean()

    return loss


def reconstruction_loss(section: LossSection) -> Loss:
    """From outputs and inputs of the same shape."""
    return _DISTANCES[section.kind]


def ctc_loss() -> CtcLossFunction:
    """Connectionist temporal classification (Graves et al., 2006); a target that does not fit its frames counts 0."""
    return nn.CTCLoss(blank=BLANK, zero_infinity=True)


def l1_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of magnitudes."""
    return torch.stack([each.abs().sum() for each in parameters]).sum()


def rareness(counts: Tensor) -> Tensor:
    """Weights of classes by their numbers of examples `[classes]`: inversely proportional, 1 on average over all."""
    return counts.sum() / (len(counts) * counts.clamp(min=1))


def _weighted(class_weights: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Of target distributions: the weight of each example, `[N, 1]`."""
    if class_weights is None:
        return lambda targets: targets.new_ones(len(targets), 1)
    weights = class_weights
    return lambda targets: (targets @ weights.to(targets.device))[:, None]


def _smoothed(targets: Tensor, smoothing: float) -> Tensor:
    return targets * (1 - smoothing) + smoothing / targets.shape[-1]
