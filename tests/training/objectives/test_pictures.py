"""Figures are those of a hand count, rare classes are made up for, and nothing random depends on when it is asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.augment_images import blended
from training.data.images import ImageData, Pictures
from training.distributed import World
from training.loop import Runtime, Trainer
from training.networks.mlp import MlpNetwork
from training.objectives.objective import generator
from training.objectives.pictures import (
    Classification,
    Normalisation,
    Parts,
    Reconstruction,
    Scored,
    Teacher,
    divided,
    measured,
)
from training.recipe import Recipe, parse
from training.sections import Mlp

CPU = torch.device("cpu")


def recipe(**sections: dict[str, Any]) -> Recipe:
    content: dict[str, Any] = {
        "task": "image-classification",
        "data": {"size_px": 4, "validation": 0.2},
        "network": {"kind": "mlp", "hidden": [8]},
    }
    for name, values in sections.items():
        content[name] = values if "kind" in values else {**content.get(name, {}), **values}
    return parse("tiny", content)


def pictures(levels: NDArray[np.float64], class_ids: list[int]) -> Pictures:
    """Squares of 4 px, each of one level 0…255."""
    squares = np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (len(levels), 4, 4, 3)).copy()
    ids = np.array(class_ids, np.int64)
    return Pictures(squares, np.arange(len(levels)), ids, tuple(str(n) for n in range(len(levels))))


def parts(class_ids: list[int], classes: int = 2, test: Pictures | None = None) -> Parts:
    levels = np.random.default_rng(0).integers(0, 256, len(class_ids)).astype(np.float64)
    train = pictures(levels, class_ids)
    none = train.taken(np.zeros(0, np.int64))
    return Parts(train, none, none if test is None else test, tuple(f"class {n}" for n in range(classes)))


PLAIN = Normalisation((0.0,) * 3, (255.0,) * 3)


class Ladder(nn.Module):
    """Logits of class k: minus the distance of the picture's level from k tenths."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 3, 4, 4]` to `[N, classes]`."""
        return -10 * (x.mean((1, 2, 3))[:, None] - torch.arange(self.classes) / 10).abs()


def objective(config: Recipe, given: Parts, network: nn.Module | None = None) -> Classification:
    return Classification(config, given, network or Ladder(len(given.classes)), PLAIN)


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


def test_figures_are_those_of_a_hand_count() -> None:
    levels = np.array([0, 26, 51, 77, 102, 128, 153, 179, 0, 0])
    class_ids = [0, 1, 2, 3, 4, 5, 6, 0, 5, 4]
    given = parts([0, 1], 7, pictures(levels.astype(np.float64), class_ids))
    found = objective(recipe(), given).judge(Ladder(7), "test", CPU)
    # the first seven are right; 179 is furthest from 0; at level 0 five classes are likelier than 5, and four than 4
    assert found.figures["accuracy"] == pytest.approx(7 / 10)
    assert found.figures["top5"] == pytest.approx(8 / 10)
    assert isinstance(found.details, Scored)
    scores = found.details.logits.astype(np.float64)
    logarithms = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    assert found.loss == pytest.approx(-logarithms[np.arange(10), class_ids].mean(), rel=1e-5)
    assert found.score == (found.figures["accuracy"], -found.loss)
    assert found.details.class_ids.tolist() == class_ids


def test_few_classes_have_no_top5() -> None:
    given = parts([0, 1], 2, pictures(np.array([0.0, 30.0]), [0, 1]))
    assert objective(recipe(), given).judge(Ladder(2), "test", CPU).figures.keys() == {"accuracy"}


UNEQUAL = [0] * 180 + [1] * 20


def test_weights_are_by_rareness_and_one_on_average() -> None:
    found = objective(recipe(), parts(UNEQUAL)).class_weights()
    assert found.tolist() == pytest.approx([200 / (2 * 180), 200 / (2 * 20)])
    assert float((found * torch.tensor([180, 20])).sum() / 200) == pytest.approx(1)


def test_weighted_loss_is_each_example_times_its_weight() -> None:
    balanced, plain = (objective(recipe(data={"balance": how}), parts(UNEQUAL)) for how in ("weights", "none"))
    batch = plain.collate([plain.example((0, index)) for index in (0, 1, 199)])
    weights = plain.class_weights().float()[batch[1]]
    singles = [
        plain.step(Ladder(2), (batch[0][i : i + 1], batch[1][i : i + 1]), generator(0), CPU).loss for i in range(3)
    ]
    found = balanced.step(Ladder(2), batch, generator(0), CPU).loss
    # as in torch, a weighted mean divides by the number of examples where targets are distributions
    assert float(found) == pytest.approx(float((torch.stack(singles) * weights).sum()) / 3, rel=1e-5)


def test_sampling_draws_classes_equally_often() -> None:
    given = objective(recipe(data={"balance": "sampling"}), parts(UNEQUAL))
    drawn = Counter(UNEQUAL[index] for epoch in range(30) for index in given.order(epoch))
    assert sum(drawn.values()) == 30 * 200
    assert 0.46 < drawn[1] / (30 * 200) < 0.54
    assert given.order(3) == given.order(3) != given.order(4)
    plain = objective(recipe(), parts(UNEQUAL))
    assert sorted(plain.order(0)) == list(range(200))


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balance_finds_more_of_a_rare_class(balance: str) -> None:
    """Levels overlap, so that a network that looks at accuracy alone calls nearly everything by the common name."""
    rng = np.random.default_rng(2)
    levels = np.concatenate([rng.normal(110, 25, 360), rng.normal(145, 25, 40)]).clip(0, 255)
    train = pictures(levels, [0] * 360 + [1] * 40)
    given = Parts(train, train.taken(np.arange(0)), train, ("common", "rare"))

    def found_of_rare(how: str) -> float:
        optimise = {"rate": 0.02, "epochs": 6, "batch": 40, "schedule": "cosine"}
        config = recipe(data={"balance": how}, optimise=optimise)
        torch.manual_seed(0)
        network = MlpNetwork(Mlp(kind="mlp", hidden=(8,)), 48, 2)
        trained = Trainer(
            config, Classification(config, given, network, measured(train)), Runtime(World(), is_shown=False)
        )
        scored = trained.objective.judge(trained.run(), "test", CPU).details
        return float((scored.logits.argmax(-1)[360:] == 1).mean())

    assert found_of_rare(balance) > 0.55
    assert found_of_rare("none") < 0.4


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


class Opinion(nn.Module):
    """Logits that say where each picture is bright; notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 3, side, side]` to `[N, 2]`."""
        self.seen.append(x.detach())
        half = x.shape[-1] // 2
        return self.weight * torch.stack([x[..., :half].mean((1, 2, 3)), x[..., half:].mean((1, 2, 3))], 1)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_teachers_have_their_share_of_the_target(share: float) -> None:
    taught = {"teachers": ["one", "other"], "share": share}
    config = recipe(distillation=taught, augment={"mixup": 1.0}, data={"validation": 0.0})
    squares = np.random.default_rng(5).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    train = Pictures(squares, np.arange(6), np.arange(6) % 2, tuple("abcdef"))
    network, large, other = MlpNetwork(Mlp(kind="mlp", hidden=(8,)), 48, 2), Opinion(), Opinion()
    given = objective(config, Parts(train, train, train, ("a", "b")), network)
    given.teachers = (
        Teacher(large, Normalisation((127.0,) * 3, (128.0,) * 3), 8),
        Teacher(other, Normalisation((0.0,) * 3, (25.5,) * 3), 4),
    )
    student = Opinion()
    batch = given.collate([given.example((0, index)) for index in range(6)])
    found = given.step(student, batch, generator(1), CPU)

    (blend,), (seen_large,), (seen,) = student.seen, large.seen, other.seen
    assert (seen_large.shape, seen.shape) == ((6, 3, 8, 8), (6, 3, 4, 4))
    assert torch.allclose(seen, blend * 10, atol=1e-4), "the same blended pictures, normalised its own way"
    answers = (torch.softmax(large(seen_large), -1) + torch.softmax(other(seen), -1)) / 2
    labels = torch.nn.functional.one_hot(batch[1], 2).float()
    mixed = blended(given.normalise(batch[0]), labels, config.augment, generator(1))
    assert torch.allclose(mixed[0], blend, atol=1e-6)
    expected = torch.nn.functional.cross_entropy(student(blend), (1 - share) * mixed[1] + share * answers)
    assert float(found.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    found.loss.backward()  # type: ignore[no-untyped-call]  # torch's own
    assert student.weight.grad is not None
    assert (large.weight.grad, other.weight.grad) == (None, None), "teachers do not learn"


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
