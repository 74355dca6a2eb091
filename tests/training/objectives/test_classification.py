"""Figures are those of a hand count, a rare class is found, and teachers have their share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.squares import CPU, UNEQUAL, Ladder, objective, parts, pictures, recipe
from training.data.augment_images import blended
from training.data.images import Pictures
from training.distributed import World
from training.loop import Runtime, Trainer
from training.networks.mlp import MlpNetwork
from training.objectives.classification import Classification, Scored, Teacher
from training.objectives.objective import generator
from training.objectives.pictures import Normalisation, Parts, measured
from training.sections import Mlp


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
