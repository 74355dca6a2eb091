"""A run from its beginning to its files: finished runs stay, others are kept away, one run begins with another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trained import DIGITS_EPOCHS, Workshop
from training import recipe as recipes
from training.errors import UsageError
from training.preparation import prepare
from training.run import RESULT, open_run
from training.session import Surroundings, train

pytestmark = pytest.mark.xdist_group("trained")


def around(root: Path, said: list[str] | None = None) -> Surroundings:
    say = (lambda _: None) if said is None else said.append
    return Surroundings(runs=root / "runs", cache=root / "cache", is_shown=False, say=say, device="cpu")


def test_a_finished_run_has_everything_but_a_checkpoint(digits_workshop: Workshop) -> None:
    run = digits_workshop.run("digits")
    assert {each.name for each in run.folder.iterdir()} == {
        ".lock", "recipe.json", "data.json", "history.json", "result.json", "report.html", "weights.safetensors",
    }  # fmt: skip
    result, history = run.read(RESULT), run.read("history.json")
    assert (result["run"], result["epochs"], result["ended"]) == (run.id, 5, "every epoch was made")
    assert result["seconds"] > 0
    assert result["parameters"] > 40_000
    assert [row["epoch"] for row in history["epochs"]] == [1, 2, 3, 4, 5]
    assert history["epochs"][-1]["validation_accuracy"] == pytest.approx(result["validation_accuracy"], abs=0.05)
    assert run.recipe().fingerprint == recipes.load("digits", [DIGITS_EPOCHS]).fingerprint == history["fingerprint"]
    assert (run.read("data.json")["path"], run.read("data.json")["classes"]) == (None, list("0123456789"))


def test_the_result_is_what_the_kept_weights_give(digits_workshop: Workshop) -> None:
    run = digits_workshop.run("digits")
    objective = prepare(run.recipe(), None, digits_workshop.cache).objective
    judged = objective.judge(run.load_weights(objective.network), "test", torch.device("cpu"))
    result = run.read(RESULT)
    assert result["test_accuracy"] == judged.figures["accuracy"] > 0.9
    assert result["test_loss"] == pytest.approx(judged.loss, rel=1e-5)


def test_the_same_recipe_again_is_the_next_number_with_the_same_outcome(tmp_path: Path) -> None:
    recipe = recipes.load("digits", ["optimise.epochs=1"])
    said: list[str] = []
    first, second = (train(recipe, around(tmp_path, said)) for _ in range(2))
    assert first.id.removesuffix("-1") == second.id.removesuffix("-2")
    assert first.read(RESULT)["weights_sha256"] == second.read(RESULT)["weights_sha256"]
    assert said[0].startswith("digits: about 0.5 minutes on two CPU cores, 1 GB of memory; run digits/")
    assert said[1].endswith("to judge by")


def test_a_run_that_another_process_trains_is_left_alone(tmp_path: Path) -> None:
    recipe = recipes.load("digits", ["optimise.epochs=1"])
    data = prepare(recipe, None, tmp_path).fingerprint
    with open_run(tmp_path / "runs", recipe, data).held(), pytest.raises(UsageError, match="by another process"):
        train(recipe, around(tmp_path))
    assert train(recipe, around(tmp_path)).is_finished


def test_without_a_gpu_none_can_be_asked_for(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    asked = Surroundings(runs=tmp_path / "runs", cache=tmp_path, device="cuda", is_shown=False)
    with pytest.raises(UsageError, match="no GPU that PyTorch can use"):
        train(recipes.load("digits"), asked)
    assert not (tmp_path / "runs").exists()
