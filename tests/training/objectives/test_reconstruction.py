"""What is restored is judged by its distance from what was given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.squares import CPU, PLAIN, parts, pictures
from training.objectives.objective import generator
from training.objectives.reconstruction import Reconstruction
from training.recipe import parse


def test_restored_pictures_are_judged_by_their_loss() -> None:
    config = parse(
        "restore",
        {
            "task": "reconstruction",
            "data": {"size_px": 4},
            "network": {"kind": "autoencoder", "hidden": [8], "code": 2},
            "loss": {"kind": "l2"},
        },
    )
    test = pictures(np.random.default_rng(5).integers(0, 256, 300).astype(np.float64), [0] * 300)
    given = Reconstruction(config, parts([0, 1], test=test), nn.Identity(), PLAIN)

    class Dimmed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 0.5

    found = given.judge(Dimmed(), "test", CPU)
    levels = test.squares[..., 0].astype(np.float64) / 255
    assert found.loss == pytest.approx(float((0.25 * levels**2).mean()), rel=1e-4)
    assert (found.figures, found.score) == ({"loss": found.loss}, (-found.loss,))
    before, after = found.details
    assert before.shape == after.shape == (16, 3, 4, 4)
    assert torch.allclose(after, before * 0.5)

    class Grey(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1]

    assert given.judge(Grey(), "test", CPU).loss == 0
    assert float(given.step(Grey(), given.collate([given.example((0, 0))]), generator(0), CPU).loss) == 0
    assert float(given.step(nn.Identity(), given.collate([given.example((0, 0))]), generator(0), CPU).loss) == 0
