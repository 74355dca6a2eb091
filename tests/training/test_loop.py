"""The loop: a run that was interrupted anywhere ends like one that was not, and it stops when and as it should."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainings import COUNTS, small_objective, small_recipe
from training.__main__ import main
from training.distributed import World
from training.errors import CheckpointError, DivergedError, RecipeError
from training.loop import CHECKPOINT, Runtime, Trainer
from training.objectives.classification import Classification
from training.objectives.objective import Forward, Judgement, Part, StepResult
from training.objectives.pictures import Batch
from training.recipe import Recipe

T = TypeVar("T")
ALONE = World()
STEPS = 15  # three epochs of five

RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "momentum, ema, clip, accumulate, dropout, batch norm, patience": {
        "network": {"norm": "batch", "dropout": 0.3},
        "optimise": {
            "optimiser": "sgd", "rate": 0.1, "ema": 0.8, "clip_norm": 0.5, "accumulate": 2, "schedule": "one-cycle",
        },
        "stop": {"patience": 1},
        "health": {"every": 2},
    },
    "adamw, cosine, mixup, shifts, l1, drawn classes": {
        "network": {"norm": "layer", "dropout": 0.1},
        "optimise": {"schedule": "cosine", "warmup": 0.2, "weight_decay": 0.1},
        "augment": {"mixup": 0.4, "shift_px": 1, "cutout_px": 2},
        "loss": {"l1": 1e-4, "label_smoothing": 0.1},
        "data": {"balance": "sampling"},
    },
    "constant rate, nothing held out, vanishing gradients": {
        "network": {"hidden": [16] * 12, "activation": "sigmoid"},
        "optimise": {"schedule": "constant", "warmup": 0.5},
        "data": {"validation": 0},
        "stop": {"target": 0.99},
        "health": {"every": 1},
    },
}  # fmt: skip


class Interrupted(Exception):
    """Somebody pulled the plug."""


@dataclass
class Fragile(Classification):
    """Breaks when it is asked for one batch too many."""

    batches_left: int = 10**9

    def step(self, forward: Forward, batch: Batch, rng: np.random.Generator, device: torch.device) -> StepResult:
        """The batch's loss, or the end."""
        if not self.batches_left:
            raise Interrupted
        self.batches_left -= 1
        return super().step(forward, batch, rng, device)


def trainer_of(recipe: Recipe, folder: Path | None = None, batches: int = 10**9, every_s: float = 0.0) -> Trainer:
    """A trainer that can take so many batches."""
    objective = small_objective(recipe, Fragile)
    assert isinstance(objective, Fragile)
    objective.batches_left = batches
    return Trainer(recipe, objective, Runtime(ALONE, folder, is_shown=False, checkpoint_every_s=every_s))


Ending = tuple[dict[str, Tensor], dict[str, Any]]
"""The kept weights, and the history without times."""


def ending(trainer: Trainer) -> Ending:
    """Train to the end."""
    weights = trainer.run().state_dict()
    history = {name: value for name, value in vars(trainer.progress).items() if name != "seconds"}
    history["epochs"] = [{key: row[key] for key in row if key != "seconds"} for row in history["epochs"]]
    return weights, history


def assert_same(got: Ending, expected: Ending) -> None:
    """To the bit."""
    assert got[1] == expected[1]
    assert got[0].keys() == expected[0].keys()
    assert [name for name, each in got[0].items() if not torch.equal(each, expected[0][name])] == []


@cache
def undisturbed(name: str) -> Ending:
    return ending(trainer_of(small_recipe(**RECIPES[name])))


@pytest.mark.parametrize("batches", [1, 4, 9, 14])
@pytest.mark.parametrize("every_s", [0.0, math.inf], ids=["each step kept", "each epoch kept"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    tmp_path: Path, name: str, every_s: float, batches: int
) -> None:
    recipe = small_recipe(**RECIPES[name])
    with pytest.raises(Interrupted):
        trainer_of(recipe, tmp_path, batches, every_s).run()
    assert_same(ending(trainer_of(recipe, tmp_path)), undisturbed(name))


def test_a_run_that_is_interrupted_again_and_again_ends_like_one_that_was_not(tmp_path: Path) -> None:
    name = next(iter(RECIPES))
    recipe = small_recipe(**RECIPES[name])
    for times in range(STEPS):
        trainer = trainer_of(recipe, tmp_path, batches=3)  # a step takes two, so it breaks in the midst of the next
        try:
            trainer.run()
        except Interrupted:
            assert trainer.progress.step == times + 1
        else:
            break
    assert_same(ending(trainer_of(recipe, tmp_path, batches=0)), undisturbed(name))


def test_processes_that_prepare_examples_change_nothing() -> None:
    recipe = small_recipe(optimise={"epochs": 1}, augment={"shift_px": 1})
    runtime = Runtime(ALONE, workers=1, is_shown=False)
    assert_same(ending(Trainer(recipe, small_objective(recipe), runtime)), ending(trainer_of(recipe)))


def test_another_seed_is_another_run() -> None:
    name = next(iter(RECIPES))
    recipe = small_recipe(**RECIPES[name]).model_copy(update={"seed": 2})
    assert ending(trainer_of(recipe))[1]["curve"] != undisturbed(name)[1]["curve"]


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer_of(small_recipe(optimise={"epochs": 1}), tmp_path).run()
    with pytest.raises(CheckpointError, match=f"^the checkpoint in {tmp_path} is of another recipe$"):
        trainer_of(small_recipe(optimise={"epochs": 2}), tmp_path).run()


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / CHECKPOINT)
    with pytest.raises(CheckpointError, match="is of another recipe"):
        trainer_of(small_recipe(), tmp_path).run()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    recipe = small_recipe()
    trainer_of(recipe, tmp_path).run()
    path = tmp_path / CHECKPOINT
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="cannot be read; delete it to begin anew"):
        trainer_of(recipe, tmp_path).run()


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_loss_that_is_no_number_ends_the_run_in_words() -> None:
    recipe = small_recipe(network={"hidden": [16] * 4}, optimise={"optimiser": "sgd", "rate": 1e20})
    with pytest.raises(DivergedError) as caught:
        trainer_of(recipe).run()
    words = str(caught.value)
    assert words.startswith("the loss is no number any more at step ")
    assert "(epoch 1): " in words
    for advice in ("lower optimise.rate", "optimise.clip_norm", "start.initialiser"):
        assert advice in words


@dataclass
class Judged(Fragile):
    """Its validation figures are written down beforehand."""

    figures: list[float] = field(default_factory=list)

    def judge(self, network: nn.Module, part: Part, device: torch.device) -> Judgement:
        """The next figure."""
        figure = self.figures.pop(0)
        return Judgement(1 - figure, {"accuracy": figure}, (figure,))


def judged_trainer(
    epochs: int, figures: list[float], folder: Path | None = None, **sections: dict[str, Any]
) -> Trainer:
    """A constant rate, so that a shorter run is the beginning of a longer one."""
    constant = {"schedule": "constant", "warmup": 0, "epochs": epochs}
    recipe = small_recipe(**{"optimise": constant, **sections})
    objective = small_objective(recipe, Judged)
    assert isinstance(objective, Judged)
    objective.figures = figures
    return Trainer(recipe, objective, Runtime(ALONE, folder, is_shown=False))


def test_training_stops_when_nothing_gets_better_and_keeps_the_best_epoch() -> None:
    trainer = judged_trainer(9, [0.1, 0.5, 0.3, 0.5, 0.9], stop={"patience": 2})
    kept = trainer.run().state_dict()
    assert trainer.progress.epoch == 4
    assert trainer.progress.best_epoch == 1
    assert trainer.progress.ended == "no better validation figure for 2 epochs"
    shorter = judged_trainer(2, [0.1, 0.5]).run().state_dict()
    assert all(torch.equal(each, shorter[name]) for name, each in kept.items())
    assert not all(torch.equal(each, kept[name]) for name, each in trainer.network.state_dict().items())


def test_the_best_epoch_is_kept_though_the_run_goes_to_its_end() -> None:
    trainer = judged_trainer(3, [0.9, 0.1, 0.1])
    kept = trainer.run().state_dict()
    assert trainer.progress.ended == "every epoch was made"
    only = judged_trainer(1, [0.9]).run().state_dict()
    assert all(torch.equal(each, only[name]) for name, each in kept.items())


def test_the_best_epoch_is_still_known_after_a_stop(tmp_path: Path) -> None:
    stopped = judged_trainer(3, [0.1, 0.9], tmp_path)
    with pytest.raises(IndexError):  # no figure is left for the third epoch
        stopped.run()
    kept = judged_trainer(3, [0.5], tmp_path).run().state_dict()
    best = judged_trainer(2, [0.1, 0.9]).run().state_dict()
    assert all(torch.equal(each, best[name]) for name, each in kept.items())


def test_without_a_validation_part_the_last_epoch_is_kept() -> None:
    trainer = trainer_of(small_recipe(data={"validation": 0}))
    kept = trainer.run().state_dict()
    assert trainer.progress.best_epoch == -1
    assert all(torch.equal(each, kept[name]) for name, each in trainer.network.state_dict().items())


def test_the_last_epoch_is_kept_where_the_recipe_says_so(tmp_path: Path) -> None:
    keep_last = {"keep": "last"}
    last = judged_trainer(3, [0.9, 0.1, 0.1], stop=keep_last).run().state_dict()
    rising = judged_trainer(3, [0.1, 0.1, 0.9]).run().state_dict()
    assert all(torch.equal(each, last[name]) for name, each in rising.items())
    stopped = judged_trainer(3, [0.9, 0.1], tmp_path, stop=keep_last)
    with pytest.raises(IndexError):  # no figure is left for the third epoch
        stopped.run()
    resumed = judged_trainer(3, [0.1], tmp_path, stop=keep_last).run().state_dict()
    assert all(torch.equal(each, last[name]) for name, each in resumed.items())


def test_training_stops_at_its_target() -> None:
    trainer = trainer_of(small_recipe(optimise={"epochs": 50}, stop={"target": 0.9}))
    trainer.run()
    accuracies = [row["train_accuracy"] for row in trainer.progress.epochs]
    assert [each >= 0.9 for each in accuracies] == [False] * (len(accuracies) - 1) + [True]
    assert trainer.progress.ended == "training accuracy reached 0.9"


class Follower(World):
    """A process whose batch norms have other statistics than those of the first one."""

    def of_first(self, value: T) -> T:
        """The first process found that nothing gets better."""
        return type(value)((0.5,)) if isinstance(value, tuple) else value


def test_all_processes_stop_when_the_first_one_does() -> None:
    trainer = judged_trainer(9, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], stop={"patience": 1})
    trainer.world = Follower()
    trainer.run()
    assert (trainer.progress.epoch, trainer.progress.best_epoch) == (2, 0)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_a_batch_in_parts_is_the_whole_batch(accumulate: int) -> None:
    whole = ending(trainer_of(small_recipe(loss={"l1": 1e-3}, optimise={"clip_norm": 0.5})))
    optimise = {"clip_norm": 0.5, "accumulate": accumulate}
    parts = ending(trainer_of(small_recipe(loss={"l1": 1e-3}, optimise=optimise)))
    np.testing.assert_allclose(parts[1]["curve"], whole[1]["curve"], rtol=1e-4)
    for name, each in parts[0].items():
        torch.testing.assert_close(each, whole[0][name], rtol=1e-3, atol=1e-4)


def test_the_penalty_on_magnitudes_makes_weights_small() -> None:
    def size(l1: float) -> float:
        weights = ending(trainer_of(small_recipe(loss={"l1": l1}, optimise={"epochs": 10})))[0]
        return float(sum(each.abs().sum() for name, each in weights.items() if name.endswith("weight")))

    assert size(0.01) < 0.7 * size(0)


def vector(network: nn.Module) -> Tensor:
    """A copy of all its weights."""
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_clipping_shortens_what_the_optimiser_sees() -> None:
    """Plain SGD at rate one: a step is as long as its gradient."""
    optimise = {"optimiser": "sgd", "momentum": 0, "rate": 1, "schedule": "constant", "warmup": 0}

    def moved(clip_norm: float) -> float:
        recipe = small_recipe(optimise=optimise | {"batch": COUNTS[0], "epochs": 1, "clip_norm": clip_norm})
        trainer = trainer_of(recipe)
        before = vector(trainer.network)
        trainer.run()
        return float((vector(trainer.network) - before).norm())

    assert moved(0.01) == pytest.approx(0.01, rel=1e-3)
    assert moved(1000) > 0.1


@dataclass
class Remembering(Fragile):
    """Keeps the weights that it is asked with."""

    weights: list[Tensor] = field(default_factory=list)

    def step(self, forward: Forward, batch: Batch, rng: np.random.Generator, device: torch.device) -> StepResult:
        """Look before the weights are changed."""
        self.weights.append(vector(self.network))
        return super().step(forward, batch, rng, device)


def test_the_running_mean_is_what_is_judged_and_kept() -> None:
    recipe = small_recipe(optimise={"ema": 0.8}, data={"validation": 0})
    objective = small_objective(recipe, Remembering)
    assert isinstance(objective, Remembering)
    trainer = Trainer(recipe, objective, Runtime(ALONE, is_shown=False))
    kept, last = vector(trainer.run()), vector(objective.network)
    mean, *later = [*objective.weights[1:], last]
    for each in later:
        mean = 0.8 * mean + 0.2 * each
    torch.testing.assert_close(kept, mean)
    assert not torch.equal(kept, last)


def test_less_than_a_batch_is_one_step_on_everything() -> None:
    trainer = trainer_of(small_recipe(optimise={"batch": 1000}))
    trainer.run()
    assert trainer.progress.step == 3
    assert len(trainer.progress.curve) == 3


@pytest.mark.parametrize("world", [ALONE, World(size=3)])
def test_a_batch_that_cannot_be_divided_is_refused(world: World) -> None:
    recipe = small_recipe(optimise={"batch": 1002, "accumulate": 3})  # 160 examples
    with pytest.raises(RecipeError, match="a batch must divide evenly into"):
        Trainer(recipe, small_objective(recipe), Runtime(world))


def test_history_has_a_row_for_each_epoch_and_a_point_for_each_step() -> None:
    trainer = trainer_of(small_recipe())
    trainer.run()
    progress = trainer.progress
    assert [step for step, *_ in progress.curve] == list(range(STEPS))
    assert [row["epoch"] for row in progress.epochs] == [1, 2, 3]
    assert [row["step"] for row in progress.epochs] == [5, 10, 15]
    mean = float(np.mean([loss for step, loss, _ in progress.curve if step >= 10]))
    assert progress.epochs[-1]["train_loss"] == pytest.approx(mean)
    assert {"train_accuracy", "validation_loss", "validation_accuracy", "validation_top5"} <= set(progress.epochs[0])
    json.dumps(vars(progress), allow_nan=False)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # of the steps that were left out
def test_what_is_too_large_for_fp16_is_left_out_and_no_alarm() -> None:
    trainer = trainer_of(small_recipe(health={"every": 1}, loss={"l1": 4.0}))  # gradients of about four
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # four times that and twice that are infinite
    trainer.run()
    assert [look["step"] for look in trainer.progress.looks] == list(range(2, STEPS))
    assert trainer.progress.warnings == []


KILLED = ("digits", "--set", "optimise.epochs=12", "--set", "optimise.ema=0.9", "--set", "stop.patience=9")


def train(capsys: pytest.CaptureFixture[str], runs: Path) -> dict[str, Any]:
    """Train to the end, in this process; gives the result without times and places."""
    assert main(["train", *KILLED, "--runs", str(runs), "--device", "cpu", "--json"], {}) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return {key: value for key, value in result.items() if key not in {"seconds", "report"}}


# Trains, and is killed (SIGKILL) when so many checkpoints were written, or a little later.
_KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from training.__main__ import main

def kill(folder, count):
    seen = set()
    while len(seen) < count:
        time.sleep(0.001)
        seen |= {each.stat().st_mtime_ns for each in folder.glob("*/checkpoint.pt")}
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill, args=(Path(sys.argv[1]) / "digits", int(sys.argv[2])), daemon=True).start()
sys.exit(main(["train", *sys.argv[3:], "--runs", sys.argv[1], "--device", "cpu"], {}))
"""


def test_a_process_killed_at_any_moment_goes_on_to_the_same_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both with as many threads, since sums are rounded differently with others."""
    expected = train(capsys, tmp_path / "undisturbed")
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "killed"), str(random.randint(1, 8)), *KILLED]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    (folder,) = (tmp_path / "killed" / "digits").iterdir()
    assert (folder / CHECKPOINT).is_file()
    assert not (folder / "result.json").exists()
    assert train(capsys, tmp_path / "killed") == expected
    assert not (folder / CHECKPOINT).exists()
