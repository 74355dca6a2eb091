"""Losses against their formulas, and CTC against the sum over every alignment."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training.losses import BLANK, classification_loss, ctc_loss, l1_penalty, rareness, reconstruction_loss
from training.sections import LossSection

CLASSES = 4
KINDS = ("cross-entropy", "binary-cross-entropy", "l1", "l2", "huber")


def example(count: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, class ids, and the same as one-hot rows."""
    generator = torch.Generator().manual_seed(count)
    class_ids = torch.randint(CLASSES, (count,), generator=generator)
    return 2 * torch.randn(count, CLASSES, generator=generator), class_ids, F.one_hot(class_ids, CLASSES).float()


def each_by_hand(kind: str, logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example, from the formula."""
    scores = torch.exp(logits) / torch.exp(logits).sum(-1, keepdim=True)
    gap = (scores - targets).abs()
    single = 1 / (1 + torch.exp(-logits))
    return {
        "cross-entropy": -(targets * scores.log()).sum(-1),
        "binary-cross-entropy": -(targets * single.log() + (1 - targets) * (1 - single).log()).mean(-1),
        "l1": gap.mean(-1),
        "l2": (gap**2).mean(-1),
        "huber": torch.where(gap < 1, gap**2 / 2, gap - 0.5).mean(-1),
    }[kind]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_is_its_formula(kind: str, smoothing: float) -> None:
    logits, _, targets = example()
    smoothed = targets * (1 - smoothing) + smoothing / CLASSES
    loss = classification_loss(LossSection(kind=kind, label_smoothing=smoothing))
    torch.testing.assert_close(loss(logits, targets), each_by_hand(kind, logits, smoothed).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_counts_as_much_as_its_class_weighs(kind: str) -> None:
    logits, class_ids, targets = example()
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    loss = classification_loss(LossSection(kind=kind), weights)
    expected = (weights[class_ids] * each_by_hand(kind, logits, targets)).mean()
    torch.testing.assert_close(loss(logits, targets), expected)


def test_cross_entropy_is_pytorchs_of_class_ids() -> None:
    logits, class_ids, targets = example()
    torch.testing.assert_close(
        classification_loss(LossSection())(logits, targets), F.cross_entropy(logits, class_ids)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_blend_of_two_classes_is_least_lost_between_them(kind: str) -> None:
    blend = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    loss = classification_loss(LossSection(kind=kind))
    between = loss(torch.tensor([[0.0, 0.0, -9.0, -9.0]]), blend)
    assert between < loss(torch.tensor([[3.0, -3.0, -9.0, -9.0]]), blend)


@pytest.mark.parametrize(("kind", "expected"), [("l1", 5 / 4), ("l2", 13 / 4), ("huber", (2.5 + 1.5) / 4)])
def test_reconstructions_are_compared_value_by_value(kind: str, expected: float) -> None:
    restored = torch.tensor([[3.0, 0.0], [0.0, -2.0]])
    assert float(reconstruction_loss(LossSection(kind=kind))(restored, torch.zeros(2, 2))) == pytest.approx(expected)


def by_all_alignments(scores: Tensor, target: list[int]) -> float:
    """−ln of the probability of every path that reads as the target."""
    frames, tokens = scores.shape
    total = torch.tensor(0.0)
    for path in product(range(tokens), repeat=frames):
        merged = [token for place, token in enumerate(path) if place == 0 or token != path[place - 1]]
        if [token for token in merged if token != BLANK] == target:
            total += scores[range(frames), path].sum().exp()
    return float(-total.log())


@pytest.mark.parametrize("target", [[1], [1, 2], [2, 2], [1, 2, 1]])
def test_ctc_is_the_sum_over_every_alignment(target: list[int]) -> None:
    scores = torch.log_softmax(torch.randn(5, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    got = ctc_loss()(scores[:, None], torch.tensor(target), torch.tensor([5]), torch.tensor([len(target)]))
    assert float(got) == pytest.approx(by_all_alignments(scores, target) / len(target), rel=1e-4)


def test_ctc_of_a_target_that_does_not_fit_counts_nothing() -> None:
    scores = torch.zeros(2, 1, 3, requires_grad=True)
    loss = ctc_loss()(scores.log_softmax(-1), torch.tensor([1, 1]), torch.tensor([2]), torch.tensor([2]))
    loss.backward()  # type: ignore[no-untyped-call]  # torch's own
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_the_penalty_is_the_sum_of_magnitudes() -> None:
    assert float(l1_penalty([torch.tensor([[1.0, -2.0]]), torch.tensor([-0.5])])) == 3.5


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_rareness_weighs_one_on_average_over_all_examples(counts: list[int]) -> None:
    weights = rareness(torch.tensor(counts))
    assert float((weights * torch.tensor(counts)).sum() / sum(counts)) == pytest.approx(1, rel=1e-4)
    assert torch.allclose(weights * torch.tensor(counts), (weights * torch.tensor(counts))[0], rtol=1e-4)


def test_a_class_without_examples_has_a_finite_weight() -> None:
    assert torch.isfinite(rareness(torch.tensor([0, 5]))).all()
