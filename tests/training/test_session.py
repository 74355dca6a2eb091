"""A run from its beginning to its files: finished runs stay, others are kept away, one run begins with another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.trained import DIGITS_EPOCHS, Workshop
from training import recipe as recipes
from training.definitions import RECIPES
from training.errors import RecipeError, UsageError
from training.preparation import prepare
from training.recipe import Lite, Recipe
from training.run import RESULT, Run, open_run
from training.session import Surroundings, _built, train

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


def trained_encoder(root: Path) -> Run:
    """A finished run of the autoencoder, its weights those it began with."""
    recipe = recipes.load("digits-autoencoder")
    prepared = prepare(recipe, None, root)
    with torch.no_grad():
        for each in prepared.objective.network.parameters():
            each.mul_(1.5)
    run = open_run(root / "runs", recipe, prepared.fingerprint)
    run.save_weights(prepared.objective.network)
    run.write(RESULT, {})
    return run


def test_an_encoder_begins_a_classifier(tmp_path: Path) -> None:
    source = trained_encoder(tmp_path)
    begin = ["start.encoder=digits-autoencoder", "network.hidden=[128,64,32]", "network.dropout=0"]
    still = ["optimise.rate=1e-12", "optimise.weight_decay=0", "optimise.epochs=1"]
    said: list[str] = []
    run = train(recipes.load("digits", [*begin, *still]), around(tmp_path, said))
    encoder = source.load_weights(prepare(source.recipe(), None, tmp_path).objective.network).state_dict()
    found = run.load_weights(prepare(run.recipe(), None, tmp_path).objective.network).state_dict()
    for layer in range(3):
        wanted = encoder[f"network.encoder.{layer}.linear.weight"]
        assert np.allclose(found[f"network.hidden.{layer}.linear.weight"], wanted, atol=1e-6)
    assert any(words.endswith(f"of the encoder of {source.id}") for words in said)


def test_an_encoder_of_another_shape_is_refused(tmp_path: Path) -> None:
    trained_encoder(tmp_path)
    recipe = recipes.load("digits", ["start.encoder=digits-autoencoder", "network.hidden=[7]"])
    with pytest.raises(RecipeError, match="none of its hidden layers has the shape"):
        train(recipe, around(tmp_path))


def begun_with(first: Path, *overrides: str) -> Recipe:
    """The digits' recipe, going on from that one, and changing next to nothing."""
    still = ["optimise.rate=1e-12", "optimise.weight_decay=0", "optimise.epochs=1"]
    return recipes.load("digits", [f'start.recipe="{first}"', *still, *overrides])


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A recipe of one's own, for one epoch."""
    path = tmp_path / "first.toml"
    path.write_text((RECIPES / "digits.toml").read_text("utf-8").replace("epochs = 30", "epochs = 1"), "utf-8")
    return path


def test_a_recipe_goes_on_from_another_which_is_trained_first_and_once(tmp_path: Path, first: Path) -> None:
    said: list[str] = []
    runs = [train(begun_with(first), around(tmp_path, said)) for _ in range(2)]
    told = [words for words in said if words.startswith("goes on from first/")]
    assert (len(told), len(set(told))) == (2, 1)
    source = Run(tmp_path / "runs" / told[0].removeprefix("goes on from "))
    assert [each.name for each in source.folder.parent.iterdir()] == [source.folder.name]
    assert source.is_finished
    before, *after = (load_file(run.folder / "weights.safetensors") for run in (source, *runs))
    for found in after:
        assert np.allclose(
            found["network.hidden.0.linear.weight"], before["network.hidden.0.linear.weight"], atol=1e-6
        )


@pytest.mark.parametrize("other", ["network.hidden=[7]", "seed=2", "data.validation=0.2"])
def test_a_recipe_goes_on_only_where_the_same_was_held_out(tmp_path: Path, first: Path, other: str) -> None:
    with pytest.raises(RecipeError, match="it can go on from first only with the same network, data and seed"):
        train(begun_with(first, other), around(tmp_path))


def test_a_network_with_published_weights_is_not_gone_on_from_by_one_that_normalises_otherwise(
    tmp_path: Path,
) -> None:
    lite = {"kind": "efficientnet-lite", "pretrained": True, "frozen_blocks": 2}
    published = recipes.load("digits").model_copy(update={"network": Lite.model_validate(lite)})
    fresh, other = ({**lite, **change} for change in ({"pretrained": False}, {"frozen_blocks": 0}))
    assert _built(published) != _built(published.model_copy(update={"network": Lite.model_validate(fresh)}))
    assert _built(published) == _built(published.model_copy(update={"network": Lite.model_validate(other)}))


def test_a_recipe_may_go_on_with_another_dropout(tmp_path: Path, first: Path) -> None:
    said: list[str] = []
    train(begun_with(first, "optimise.epochs=1", "network.dropout=0.3"), around(tmp_path, said))
    assert any(words.startswith("goes on from first/") for words in said)


def test_a_recipe_may_go_on_from_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    run = train(begun_with(Path("digits"), "optimise.epochs=1"), around(tmp_path))
    assert len(list(run.folder.parent.iterdir())) == 2  # the shipped one, then this


def test_recipes_that_go_on_from_each_other_are_refused(tmp_path: Path) -> None:
    shipped = (RECIPES / "digits.toml").read_text("utf-8")
    for name, other in (("a", "b"), ("b", "a")):
        begin = f'[start]\nrecipe = "{tmp_path / other}.toml"'
        (tmp_path / f"{name}.toml").write_text(shipped.replace("[start]", begin), "utf-8")
    with pytest.raises(RecipeError, match=r"^recipe a: start\.recipe leads in a circle$"):
        train(recipes.load(str(tmp_path / "a.toml")), around(tmp_path))
