"""What is wrong with gradients is told, with what to change; what is right is not; and the advice helps."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainings import small_objective, small_recipe
from training.distributed import World
from training.errors import DivergedError
from training.gradients import Judge, Look, Watch
from training.loop import Runtime, Trainer
from training.progress import Progress
from training.recipe import Recipe

DEEP = {"kind": "mlp", "hidden": [16] * 20}
ALWAYS = {"every": 1}


def trained(recipe: Recipe) -> Progress:
    """A short training, looked at in each step."""
    trainer = Trainer(recipe, small_objective(recipe), Runtime(World(), is_shown=False))
    trainer.run()
    return trainer.progress


def test_twenty_layers_of_sigmoids_are_told_to_let_gradients_vanish() -> None:
    progress = trained(small_recipe(network=DEEP | {"activation": "sigmoid"}, health=ALWAYS))
    assert len(progress.warnings) == 1
    words = progress.warnings[0]
    assert words.startswith("gradients vanish: network.hidden.0.linear gets ")
    for advice in ("relu", "start.initialiser = kaiming", "a norm", "residual", "fewer layers"):
        assert advice in words


@pytest.mark.parametrize(
    ("network", "start"),
    [
        ({"activation": "relu", "residual": True, "norm": "layer"}, {}),
        ({"activation": "relu", "norm": "batch"}, {"initialiser": "kaiming"}),
        ({"activation": "relu", "hidden": [16] * 3}, {"initialiser": "kaiming"}),
    ],
)
def test_what_is_advised_against_vanishing_helps(network: dict[str, Any], start: dict[str, Any]) -> None:
    assert trained(small_recipe(network=DEEP | network, start=start, health=ALWAYS)).warnings == []


EXPLODING: dict[str, Any] = {
    "network": {"kind": "mlp", "hidden": [64] * 8},
    "start": {"initialiser": "kaiming", "gain": 4.0},
    "optimise": {"rate": 1e-4},
}


def test_a_blow_up_is_told_to_explode() -> None:
    progress = trained(small_recipe(**EXPLODING, health=ALWAYS))
    words = next(each for each in progress.warnings if "explode" in each)
    assert words.startswith("gradients explode: their length at step 0 is ")
    for advice in ("optimise.clip_norm", "lower optimise.rate", "smaller weights"):
        assert advice in words


def test_a_recipe_can_stop_for_it_or_not_care() -> None:
    with pytest.raises(DivergedError, match=r"^training was stopped: gradients explode: "):
        trained(small_recipe(**EXPLODING, health=ALWAYS | {"trouble": "stop"}))
    assert trained(small_recipe(**EXPLODING, health=ALWAYS | {"trouble": "ignore"})).warnings == []


def test_dead_units_are_told() -> None:
    recipe = small_recipe(health=ALWAYS)
    objective = small_objective(recipe)
    biases = dict(objective.network.named_parameters())["network.hidden.0.linear.bias"]
    nn.init.constant_(biases, -100)
    trainer = Trainer(recipe, objective, Runtime(World(), is_shown=False))
    trainer.run()
    words = next(each for each in trainer.progress.warnings if "die" in each)
    assert words.startswith("units die: 100% of network.hidden.0.activation are silent")
    for advice in ("lower optimise.rate", "gelu or silu", "a norm"):
        assert advice in words


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch hides its own
def test_dead_units_of_a_compiled_network_are_told_without_complaints(caplog: pytest.LogCaptureFixture) -> None:
    linear = nn.Linear(4, 3)
    linear.bias.data[:] = torch.tensor([-100.0, 100.0, 100.0])
    network = nn.Sequential(linear, nn.ReLU())
    watch = Watch(network)
    compiled = torch.compile(network, backend="eager")
    with watch.looking():
        compiled(torch.randn(8, 4)).sum().backward()
    assert watch.look(0).dead == {"1": pytest.approx(1 / 3)}
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "silu", "sigmoid"])
def test_a_healthy_training_is_not_warned_of(activation: str) -> None:
    network = {"kind": "mlp", "hidden": [32, 32], "activation": activation}
    assert trained(small_recipe(network=network, health=ALWAYS)).warnings == []


def test_a_training_that_has_learnt_everything_is_not_warned_of() -> None:
    progress = trained(small_recipe(network={"hidden": [64]}, optimise={"epochs": 15}, health=ALWAYS))
    assert progress.epochs[-1]["train_accuracy"] == 1
    assert progress.warnings == []


def look(norm: float = 1.0, first: float = 1.0, dead: float = 0.0, step: int = 0) -> Look:
    return Look(step, norm, {"first": first, "last": 1.0}, {"relu": dead})


def test_a_trouble_must_last_before_it_is_told_and_is_told_once() -> None:
    for bad in (look(first=1e-6), look(dead=0.95)):
        judge = Judge()
        assert [len(judge.words(each)) for each in (bad, bad, look(), bad, bad, bad, bad)] == [0, 0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("norm", [51.0, 2e4, math.inf, math.nan])
def test_a_gradient_far_longer_than_before_is_told_at_once(norm: float) -> None:
    judge = Judge()
    assert not any(judge.words(look()) for _ in range(5))
    assert len(judge.words(look(norm, step=7))) == 1


def test_a_gradient_that_is_short_is_not_told_however_short_those_before_were() -> None:
    """A hundred times next to nothing is still nothing, and clipping would not change it."""
    judge = Judge()
    assert not any(judge.words(look(norm)) for norm in (*[1e-4] * 5, 0.01, 0.9))
    assert len(judge.words(look(1.1))) == 1


def test_the_same_is_said_after_a_stop_in_between() -> None:
    looks = [look(), look(first=1e-6), look(), *[look(first=1e-6, dead=1.0)] * 4, look(60.0), look(70.0)]
    whole = Judge()
    said = [whole.words(each) for each in looks]
    for cut in range(len(looks)):
        first, second = Judge(), Judge()
        before = [first.words(each) for each in looks[:cut]]
        second.restore(first.state())
        assert before + [second.words(each) for each in looks[cut:]] == said


def test_a_look_reads_lengths_off_the_last_backward_pass() -> None:
    linear, relu, recurrent = nn.Linear(3, 4), nn.ReLU(), nn.GRU(4, 2, num_layers=2, bidirectional=True)
    network = nn.Sequential(linear, relu, recurrent)
    watch = Watch(network)
    with watch.looking():
        network(torch.randn(5, 3))[0].sum().backward()
    found = watch.look(9)
    assert found.step == 9
    every = torch.cat([each.grad.flatten() for each in network.parameters() if each.grad is not None])
    assert found.norm == pytest.approx(float(every.norm()))  # biases count too
    layers: dict[str, list[Tensor]] = {
        "0": [linear.weight],
        "2.0": [w for name, w in recurrent.named_parameters() if name.startswith("weight") and "_l0" in name],
        "2.1": [w for name, w in recurrent.named_parameters() if name.startswith("weight") and "_l1" in name],
    }
    assert [len(each) for each in layers.values()] == [1, 4, 4]  # from below and from before, both ways
    assert list(found.layers) == list(layers)
    for name, weights in layers.items():
        gradients = torch.cat([w.grad.flatten() for w in weights if w.grad is not None])
        ratio = gradients.norm() / torch.cat([w.detach().flatten() for w in weights]).norm()
        assert found.layers[name] == pytest.approx(float(ratio))
    assert set(found.dead) == {"1"}
    relu(torch.full((5, 4), -1.0))  # nobody is looking
    assert watch.look(10).dead == found.dead


def test_an_attention_layers_units_are_its_last_axis() -> None:
    linear = nn.Linear(3, 8)
    nn.init.constant_(linear.bias, -100)
    layer = nn.Sequential(linear, nn.ReLU())
    watch = Watch(layer)
    with watch.looking():
        layer(torch.randn(2, 7, 3)).sum().backward()
    assert watch.look(0).dead == {"1": 1.0}
