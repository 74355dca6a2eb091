"""Both sides of a picture."""

from __future__ import annotations

import torch
from torch import Tensor

from training.networks.two_sided import averaged


def test_the_mean_of_a_picture_and_its_mirror_image_in_one_pass() -> None:
    seen: list[int] = []

    def leftmost(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x[:, :2, 0, 0]

    x = torch.arange(12.0).reshape(2, 3, 1, 2)
    assert averaged(leftmost, x).tolist() == [[0.5, 2.5], [6.5, 8.5]]
    assert seen == [4]
