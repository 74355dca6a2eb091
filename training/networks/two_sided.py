"""Looking at a picture and its mirror image: twice the work, and the mistakes of either side count half.

Source: test-time augmentation, as in Krizhevsky, Sutskever and Hinton 2012, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def averaged(logits: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The mean of a network's logits `[N, classes]` over pictures `[N, C, H, W]` and their mirror images."""
    both = logits(torch.cat([x, x.flip(-1)]))  # in one pass, so that a graph uses each weight once
    return both.reshape(2, -1, both.shape[-1]).mean(0)
