"""One run begins with another, goes on from it or learns its answers; what does not fit is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.test_session import around
from training import definitions
from training import recipe as recipes
from training.definitions import RECIPES
from training.errors import RecipeError
from training.lineage import _built, _refuse_circle
from training.preparation import prepare
from training.recipe import Recipe
from training.run import RESULT, Run, open_run
from training.sections import Lite
from training.session import train

pytestmark = pytest.mark.xdist_group("trained")


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


def taught_by(*teachers: Path | str, share: float = 1.0, overrides: tuple[str, ...] = ()) -> Recipe:
    """A smaller network than the digits' recipe's, learning from others' answers, by default from these alone."""
    named = ", ".join(f'"{each}"' for each in teachers)
    small = ["network.hidden=[64]", "optimise.epochs=8", "loss.label_smoothing=0"]
    taught = [f"distillation.teachers=[{named}]", f"distillation.share={share}"]
    return recipes.load("digits", [*small, *taught, *overrides])


def test_a_network_learns_from_others_answers_without_a_label(tmp_path: Path) -> None:
    (tmp_path / "teacher.toml").write_text(
        (RECIPES / "digits.toml").read_text("utf-8").replace("epochs = 30", "epochs = 8"), "utf-8"
    )
    said: list[str] = []
    run = train(taught_by(tmp_path / "teacher.toml"), around(tmp_path, said))
    teacher = Run(next((tmp_path / "runs" / "teacher").iterdir()))
    assert teacher.is_finished
    assert said[0] == "teacher was never trained on these data, so it comes first"
    assert f"learns from {teacher.id}" in said
    assert run.read(RESULT)["test_accuracy"] > 0.9, "labels had no share in the target"
    train(taught_by(tmp_path / "teacher.toml", share=0.5, overrides=("optimise.epochs=1",)), around(tmp_path, said))
    assert len(list((tmp_path / "runs" / "teacher").iterdir())) == 1, "a teacher is trained once"


@pytest.mark.parametrize("other", ["seed=2", "data.validation=0.2"])
def test_a_teacher_that_has_learnt_what_is_held_out_is_refused(tmp_path: Path, first: Path, other: str) -> None:
    with pytest.raises(RecipeError, match="first can teach it only with the same task, data and seed"):
        train(taught_by(first, overrides=(other,)), around(tmp_path))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", definitions.names(RECIPES))
def test_recipes_of_the_package_name_recipes_that_fit(name: str) -> None:
    recipe = recipes.load(name)
    _refuse_circle(recipe)
    start, distillation = recipe.start, recipe.distillation
    before = [] if distillation is None else list(distillation.teachers)
    if start.recipe is not None:
        assert _built(recipes.load(start.recipe)) == _built(recipe)
        before.append(start.recipe)
    for each in map(recipes.load, before):
        assert (each.task, each.data, each.seed) == (recipe.task, recipe.data, recipe.seed)


@pytest.mark.parametrize(
    "begin",
    ['[start]\nrecipe = "{}"', '[distillation]\nteachers = ["digits", "{}"]\n[start]'],
    ids=["start", "teachers"],
)
def test_recipes_that_lead_in_a_circle_are_refused(tmp_path: Path, begin: str) -> None:
    shipped = (RECIPES / "digits.toml").read_text("utf-8")
    for name, other in (("a", "b"), ("b", "a")):
        named = begin.format(tmp_path / f"{other}.toml")
        (tmp_path / f"{name}.toml").write_text(shipped.replace("[start]", named), "utf-8")
    with pytest.raises(RecipeError, match=r"^recipe a: start or distillation leads in a circle$"):
        train(recipes.load(str(tmp_path / "a.toml")), around(tmp_path))
