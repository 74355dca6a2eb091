"""Parts are kept apart, rare classes are made up for, and nothing random depends on when it is asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.squares import CPU, PLAIN, UNEQUAL, Ladder, objective, parts, pictures, recipe
from training.data.images import ImageData, Pictures
from training.networks.mlp import MlpNetwork
from training.objectives.classification import Classification
from training.objectives.objective import generator
from training.objectives.pictures import Parts, divided, measured
from training.sections import Mlp


def test_a_validation_part_is_held_out_and_labels_are_kept_scarce() -> None:
    class_ids = [0] * 40 + [1] * 40
    train = pictures(np.arange(80.0), class_ids)
    data = ImageData(train, train.taken(np.arange(0)), ("a", "b"))
    found = divided(data, recipe())
    assert np.bincount(found.validation.class_ids).tolist() == [8, 8]
    assert np.bincount(found.train.class_ids).tolist() == [32, 32]
    assert not set(found.train.contents) & set(found.validation.contents)
    few = divided(data, recipe(data={"labels": 5}))
    assert np.bincount(few.train.class_ids).tolist() == [5, 5]
    assert few.validation.contents == found.validation.contents


def test_normalisation_is_measured_by_colour() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    pixels[..., 2] = 7
    given = Pictures(pixels, np.arange(50), np.zeros(50, np.int64), ("",) * 50)
    found = measured(given)
    assert found.mean == pytest.approx(pixels.mean((0, 1, 2)), abs=0.01)
    assert found.std[:2] == pytest.approx(pixels.std((0, 1, 2))[:2], abs=0.01)
    assert found.std[2] == 1.0, "a colour that never changes is not blown up"
    normal = found(torch.from_numpy(pixels))
    assert normal.shape == (50, 3, 4, 4)
    assert torch.allclose(normal.mean((0, 2, 3)), torch.zeros(3), atol=1e-3)


def test_weights_are_by_rareness_and_one_on_average() -> None:
    found = objective(recipe(), parts(UNEQUAL)).class_weights()
    assert found.tolist() == pytest.approx([200 / (2 * 180), 200 / (2 * 20)])
    assert float((found * torch.tensor([180, 20])).sum() / 200) == pytest.approx(1)


def test_sampling_draws_classes_equally_often() -> None:
    given = objective(recipe(data={"balance": "sampling"}), parts(UNEQUAL))
    drawn = Counter(UNEQUAL[index] for epoch in range(30) for index in given.order(epoch))
    assert sum(drawn.values()) == 30 * 200
    assert 0.46 < drawn[1] / (30 * 200) < 0.54
    assert given.order(3) == given.order(3) != given.order(4)
    plain = objective(recipe(), parts(UNEQUAL))
    assert sorted(plain.order(0)) == list(range(200))


def test_examples_and_steps_repeat_and_vary_by_epoch() -> None:
    config = recipe(augment={"shift_px": 1, "flip": True, "mixup": 1.0})
    squares = np.random.default_rng(3).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    train = Pictures(squares, np.arange(6), np.arange(6) % 2, tuple("abcdef"))
    given = objective(config, Parts(train, train, train, ("a", "b")))
    assert given.example((1, 2))[0].tolist() == given.example((1, 2))[0].tolist()
    assert len({given.example((epoch, 2))[0].tobytes() for epoch in range(8)}) > 2
    batch = given.collate([given.example((0, index)) for index in range(6)])
    network = MlpNetwork(Mlp(kind="mlp", hidden=(8,)), 48, 2).requires_grad_(False)
    losses = [float(given.step(network, batch, generator(seed), CPU).loss) for seed in (1, 1, 2, 3)]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3
    assert given.has_validation


def test_mirrored_by_turns() -> None:
    train = Pictures(
        np.random.default_rng(4).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8), np.arange(40),
        np.arange(40) % 2, tuple(str(n) for n in range(40)),
    )  # fmt: skip
    given = objective(recipe(augment={"flip": True}), Parts(train, train, train, ("a", "b")))
    sides = [
        [given.example((epoch, index))[0].tolist() == train.pixels(index).tolist() for index in range(40)]
        for epoch in range(3)
    ]
    assert sides[0] == sides[2] == [not each for each in sides[1]]
    assert 10 < sum(sides[0]) < 30


def test_a_network_of_another_size_gets_what_it_is_trained_on() -> None:
    config = recipe(network={"kind": "cnn", "widths": [4]}, augment={"input_px": 6, "eval_px": 8})
    given = objective(config, parts([0, 1] * 10, test=pictures(np.array([50.0, 200.0]), [0, 1])))
    assert given.inputs(torch.zeros(2, 4, 4, 3, dtype=torch.uint8)).shape == (2, 3, 6, 6)
    assert given.served.crop_px == 8
    seen: list[tuple[int, ...]] = []

    class Looking(Ladder):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(tuple(x.shape))
            return super().forward(x)

    given.judge(Looking(2), "test", CPU)
    assert seen == [(2, 3, 8, 8)]


def test_large_pictures_are_judged_few_at_a_time() -> None:
    config = recipe(network={"kind": "cnn", "widths": [4]}, augment={"eval_px": 512})
    given = objective(config, parts([0, 1] * 10, test=pictures(np.full(20, 50.0), [0, 1] * 10)))
    seen: list[int] = []

    class Looking(Ladder):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    assert len(given.judge(Looking(2), "test", CPU).details.logits) == 20
    assert seen == [15, 5]


def test_frozen_parts_do_not_learn_and_keep_their_statistics() -> None:
    norm = nn.BatchNorm2d(3)
    network = nn.Sequential(norm, nn.Flatten(), nn.Linear(48, 2))
    given = Classification(recipe(), parts([0, 1] * 10), network, PLAIN, (norm,))
    given.begin_training(0)
    assert (network.training, norm.training) == (True, False)
    assert [each.requires_grad for each in network.parameters()] == [False, False, True, True]


def test_still_norms_learn_and_keep_their_statistics() -> None:
    norm = nn.BatchNorm2d(3)
    network = nn.Sequential(norm, nn.Flatten(), nn.Linear(48, 2))
    given = Classification(recipe(), parts([0, 1] * 10), network, PLAIN, still=(norm,))
    given.begin_training(0)
    batch = given.collate([given.example((0, index)) for index in range(8)])
    given.step(network, batch, np.random.default_rng(0), CPU).loss.backward()  # type: ignore[no-untyped-call]
    assert (network.training, norm.training) == (True, False)
    assert norm.running_mean is not None
    assert norm.running_mean.abs().sum() == 0
    assert norm.weight.grad is not None
    assert norm.weight.grad.abs().sum() > 0


def test_pictures_grow_from_epoch_to_epoch() -> None:
    augment = {"first_px": 32, "input_px": 96}
    given = objective(recipe(network={"kind": "cnn"}, augment=augment, optimise={"epochs": 3}), parts([0, 1] * 10))
    sides_px = [given.inputs(torch.zeros(1, 4, 4, 3, dtype=torch.uint8)).shape[-1]]
    for epoch in range(3):
        given.begin_training(epoch)
        sides_px.append(given.inputs(torch.zeros(1, 4, 4, 3, dtype=torch.uint8)).shape[-1])
    assert sides_px == [96, 32, 64, 96]
