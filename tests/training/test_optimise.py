"""Schedules step by step, and which weights are regularised."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.networks.ctc import CtcNetwork
from training.networks.mlp import MlpNetwork
from training.optimise import build_optimiser, build_schedule, regularised
from training.sections import Ctc, Mlp, Optimise


def rates(section: Optimise, steps: int) -> list[float]:
    """The rate of each step, as the loop asks for them."""
    optimiser = build_optimiser(nn.Linear(1, 1), section)
    schedule = build_schedule(optimiser, section, steps)
    found = []
    for _ in range(steps):
        found.append(float(schedule.get_last_lr()[0]))
        optimiser.step()
        schedule.step()
    return found


def test_a_constant_rate_is_constant_once_it_has_risen() -> None:
    assert rates(Optimise(schedule="constant", rate=0.3, warmup=0), 10) == pytest.approx([0.3] * 10)
    found = rates(Optimise(schedule="constant", rate=0.3, warmup=0.5), 10)
    assert found[0] == pytest.approx(0.003)
    assert found[1] - found[0] == pytest.approx(found[4] - found[3])
    assert found[5:] == pytest.approx([0.3] * 5)


def test_a_cosine_falls_to_a_thousandth() -> None:
    found = rates(Optimise(schedule="cosine", rate=0.3, warmup=0.1), 1000)
    assert found[0] == pytest.approx(0.003)
    assert found[100] == pytest.approx(0.3)
    assert found[550] == pytest.approx(0.15, rel=0.01)
    assert found[-1] == pytest.approx(0.0003, rel=0.02)
    assert max(found) == found[100]


def test_one_cycle_rises_and_falls_in_straight_lines() -> None:
    found = rates(Optimise(schedule="one-cycle", rate=0.3, warmup=0.2), 1000)
    assert found[0] == pytest.approx(0.03)
    assert found.index(max(found)) in (199, 200)
    assert max(found) == pytest.approx(0.3)
    assert found[600] == pytest.approx(0.15, rel=0.01)
    assert found[-1] < 0.001


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_however_short_a_run_is_its_rates_are_between_nothing_and_the_highest(
    schedule: str, warmup: float, steps: int
) -> None:
    found = rates(Optimise(schedule=schedule, rate=0.3, warmup=warmup), steps)
    assert all(0 < rate <= 0.3 + 1e-9 for rate in found)


def test_biases_and_norms_are_not_regularised() -> None:
    mlp = MlpNetwork(Mlp(kind="mlp", hidden=(8, 8), norm="layer"), 192, 10)
    matrices = {id(each) for each in regularised(mlp)}
    names = {name for name, each in mlp.named_parameters() if id(each) in matrices}
    assert names == {"hidden.0.linear.weight", "hidden.1.linear.weight", "classifier.weight"}
    ctc = CtcNetwork(Ctc(kind="ctc", mels=8, channels=(8,), width=8, layers=1), 5)
    matrices = {id(each) for each in regularised(ctc)}
    left = {name for name, each in ctc.named_parameters() if id(each) not in matrices}
    assert all("bias" in name or "norm" in name for name in left)
    assert any("gru.weight_hh" in name for name, each in ctc.named_parameters() if id(each) in matrices)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_only_matrices_decay(optimiser: str) -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    built = build_optimiser(network, Optimise(optimiser=optimiser, rate=0.1, weight_decay=0.5, momentum=0))
    for each in network.parameters():
        each.grad = torch.zeros_like(each)
    built.step()
    for name, each in network.named_parameters():
        kept = 0.95 if name == "0.weight" else 1.0  # 1 − rate × decay
        torch.testing.assert_close(each.detach(), kept * before[name])


def test_frozen_weights_are_not_handed_over() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    network[0].requires_grad_(False)
    groups = build_optimiser(network, Optimise()).param_groups
    assert [[id(each) for each in group["params"]] for group in groups] == [[id(network[1].weight)]]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_biases_of_batch_norms_may_be_faster_and_decay_at_the_pace_of_the_weights(schedule: str) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LayerNorm(3))
    section = Optimise(rate=0.1, bias_rate=8.0, weight_decay=0.5, warmup=0.2, schedule=schedule)
    built = build_optimiser(network, section)
    schedule_of = build_schedule(built, section, 10)
    matrices, free, biases = built.param_groups
    assert [id(each) for each in biases["params"]] == [id(network[1].bias)]
    assert len(free["params"]) == 4
    assert (matrices["weight_decay"], free["weight_decay"], biases["weight_decay"]) == (0.5, 0, 0.5 / 8)
    for _ in range(5):
        assert biases["lr"] == pytest.approx(8 * matrices["lr"], rel=0.01)
        assert free["lr"] == matrices["lr"]
        built.step()
        schedule_of.step()


def test_sgd_is_nesterovs() -> None:
    """v ← 0.9 v + g, w ← w − r (g + 0.9 v)."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    built = build_optimiser(network, Optimise(optimiser="sgd", rate=0.1, momentum=0.9))
    weight, speed = 1.0, 0.0
    for _ in range(3):
        network.weight.grad = torch.ones_like(network.weight)
        built.step()
        speed = 0.9 * speed + 1
        weight -= 0.1 * (1 + 0.9 * speed)
        assert float(network.weight.detach()) == pytest.approx(weight)
