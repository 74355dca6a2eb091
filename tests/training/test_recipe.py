"""Recipes: all of the package load, a mistake is one sentence that names its place, and the hash sees outcomes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainings import content, small_recipe
from training.definitions import RECIPES, names
from training.errors import RecipeError
from training.recipe import Recipe, load, parse

AUTOENCODER = {"task": "reconstruction", "network": {"kind": "autoencoder"}, "loss": {"kind": "l2"}}
SPEECH = {
    "task": "speech-recognition",
    "network": {"kind": "ctc"},
    "loss": {"kind": "ctc"},
    "data": {"source": "recordings"},
}


@pytest.mark.parametrize("name", names(RECIPES))
def test_every_recipe_of_the_package_loads(name: str) -> None:
    recipe = load(name)
    assert recipe.name == name
    assert recipe.about
    assert recipe.limits or recipe.task == "reconstruction"


def test_there_are_recipes() -> None:
    assert set(names(RECIPES)) == {path.stem for path in RECIPES.glob("*.toml")} >= {"digits"}


@pytest.mark.parametrize("name", names(RECIPES))
def test_a_recipe_comes_back_from_what_a_run_keeps_of_it(name: str) -> None:
    recipe = load(name)
    kept = json.loads(json.dumps(recipe.model_dump(mode="json", exclude={"name"})))
    assert parse(name, kept) == recipe
    assert parse(name, kept).fingerprint == recipe.fingerprint


def refusal(table: Mapping[str, Any]) -> str:
    """The one sentence about a wrong recipe."""
    with pytest.raises(RecipeError) as caught:
        parse("wrong", table)
    words = str(caught.value)
    assert len(words.splitlines()) == 1
    assert words.startswith("recipe wrong: ")
    return words.removeprefix("recipe wrong: ")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"optimise": {"learning_rate": 0.1}}, "optimise.learning_rate: there is no such key"),
        ({"network": {"widths": [8]}}, "network.widths: there is no such key"),
        ({"network": {"hidden": [8, 0]}}, "network.hidden.1: Input should be greater than 0"),
        ({"network": {"kind": "rnn"}}, "network: Input tag 'rnn' found"),
        ({"network": {"activation": "swish"}}, "network.activation: Input should be 'sigmoid', 'tanh'"),
        ({"optimise": {"rate": 0}}, "optimise.rate: Input should be greater than 0"),
        ({"optimise": {"rate": float("inf")}}, "optimise.rate: Input should be a finite number"),
        ({"optimise": {"rate": float("nan")}}, "optimise.rate: Input should be a finite number"),
        ({"optimise": {"epochs": 1.5}}, "optimise.epochs: Input should be a valid integer"),
        ({"optimise": {"ema": 1.0}}, "optimise.ema: Input should be less than 1"),
        ({"data": {"validation": "some"}}, "data.validation: Input should be a valid number"),
        ({"start": {"initialiser": "zeros"}}, "start.initialiser: Input should be 'default'"),
        ({"loss": {"label_smoothing": -0.1}}, "loss.label_smoothing: Input should be greater than or equal to 0"),
        ({"stop": {"patience": 0}}, "stop.patience: Input should be greater than 0"),
    ],
)
def test_a_wrong_key_or_value_is_named_by_its_place(sections: dict[str, Any], words: str) -> None:
    assert refusal(content(**sections)).startswith(words)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (content() | {"model": {}}, "model: there is no such key"),
        (content() | {"network": "mlp"}, "network: Input should be a valid dictionary"),
        (content() | {"optimise": 3}, "optimise: Input should be a valid dictionary"),
        ({"task": "image-classification"}, "network: Field required"),
        ({"network": {"kind": "mlp"}}, "task: Field required"),
        (content() | {"network": {"hidden": [3]}}, "network: Unable to extract tag"),
    ],
)
def test_a_wrong_section_is_named(table: dict[str, Any], words: str) -> None:
    assert refusal(table).startswith(words)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (content() | {"loss": {"kind": "ctc"}}, "a ctc network, a ctc loss and the task speech-recognition"),
        (SPEECH | {"task": "image-classification"}, "a ctc network, a ctc loss and the task speech-recognition"),
        (SPEECH | {"loss": {}}, "a ctc network, a ctc loss and the task speech-recognition"),
        (content() | {"task": "reconstruction"}, "an autoencoder and the task reconstruction go together"),
        (AUTOENCODER | {"task": "image-classification"}, "an autoencoder and the task reconstruction go together"),
        (AUTOENCODER | {"loss": {}}, "a reconstruction is judged by l1, l2 or huber"),
        (content(data={"validation": 0}, stop={"patience": 2}), "stop.patience needs a validation part"),
        (content(stop={"patience": 2, "keep": "last"}), "stop.patience ends behind the best epoch"),
        (content(optimise={"batch": 10, "accumulate": 4}), "optimise.batch must be a multiple"),
        (SPEECH | {"data": {"source": "digits"}}, "data.source digits holds pictures and no recordings"),
        (content(augment={"eval_px": 16}), "a network of the kind mlp is judged at the size"),
        (content(augment={"first_px": 4}), "a network of the kind mlp is judged at the size"),
        (
            content(augment={"first_px": 16}) | {"network": {"kind": "cnn"}},
            "augment.first_px is the side to grow from",
        ),
        (
            content() | {"network": {"kind": "efficientnet-lite", "pretrained": False, "frozen_norms": True}},
            "network.frozen_norms keeps statistics that a fresh network does not have",
        ),
        (
            AUTOENCODER | {"augment": {"input_px": 16, "eval_px": 32}},
            "a network of the kind autoencoder is judged at the size",
        ),
        (
            content() | {"network": {"kind": "cnn", "widths": [8, 8, 8, 8]}},
            "pictures of 8 pixels cannot be halved 4 times",
        ),
        (
            content(augment={"first_px": 4}) | {"network": {"kind": "cnn", "widths": [8, 8, 8]}},
            "pictures of 4 pixels cannot be halved 3 times",
        ),
        (
            content() | {"network": {"kind": "cnn", "stem": "whitened", "widths": [8, 8, 8]}},
            "pictures of 8 pixels cannot be halved 3 times",
        ),
        (
            SPEECH | {"network": {"kind": "ctc", "context": "attention", "width": 90}},
            "network.width must be a multiple of network.heads",
        ),
        (
            content() | {"network": {"kind": "efficientnet-lite"}, "start": {"initialiser": "kaiming"}},
            "start.initialiser and start.gain would overwrite published weights",
        ),
        (
            SPEECH | {"network": {"kind": "ctc"}, "distillation": {"teachers": ["fsdd-ctc"]}},
            "distillation is for the task image-classification",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(table: dict[str, Any], words: str) -> None:
    assert refusal(table).startswith(f"the recipe: {words}")


def test_a_recipe_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"there is no recipe digit; those of the package are .*digits"):
        load("digit")
    with pytest.raises(RecipeError, match=r"there is no recipe .*mine\.toml"):
        load(str(tmp_path / "mine.toml"))
    with pytest.raises(RecipeError, match=r"there is no recipe .*folder\.toml"):
        load(str(_folder(tmp_path / "folder.toml")))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("raw", [b"[optimise\nrate = 1", b"about = \xff", b"seed = 1\nseed = 2"])
def test_what_is_no_toml_is_told(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(raw)
    with pytest.raises(RecipeError, match=r"^broken\.toml is no TOML file: [^\n]+$"):
        load(str(path))


def test_a_file_of_ones_own_is_named_for_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((RECIPES / "digits.toml").read_text("utf-8"), "utf-8")
    assert load(str(path)).name == "mine"
    assert load("mine", folder=tmp_path) == load(str(path))
    (tmp_path / "No Name.toml").write_text(path.read_text("utf-8"), "utf-8")
    with pytest.raises(RecipeError, match=r"^recipe No Name: name: "):
        load(str(tmp_path / "No Name.toml"))


def test_what_is_set_replaces_the_recipes_own() -> None:
    recipe = load("digits", ["optimise.epochs=3", "network.hidden = [7, 8]", "seed=9", "network.norm=none"])
    assert recipe.optimise.epochs == 3
    assert recipe.network == load("digits").network.model_copy(update={"hidden": (7, 8), "norm": "none"})
    assert recipe.seed == 9
    assert load("digits", ["stop.patience=3"]).stop.patience == 3  # a section that the file has not


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimise.epochs", r"--set optimise\.epochs is not of the form"),
        ("=3", r"--set =3 is not of the form"),
        ("optimise.=3", r"is not of the form"),
        ("seed.value=3", r"recipe digits: seed: Input should be a valid integer"),
        ("about.words=3", r"about\.words: about is no section"),
        ("optimise.epochs=three", r"optimise\.epochs: Input should be a valid integer"),
        ("optimise.epochs=", r"optimise\.epochs: Input should be a valid integer"),
        ("optimise.epoch=3", r"optimise\.epoch: there is no such key"),
        ("network.hidden=[1", r"network\.hidden: Input should be a valid"),
        ("optimise.rate=inf", r"optimise\.rate: Input should be a finite number"),
        ("optimise.epochs=3\nseed=4", r"optimise\.epochs: Input should be a valid integer"),
    ],
)
def test_a_wrong_set_is_one_sentence(override: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        load("digits", [override])
    assert len(str(caught.value).splitlines()) == 1


@given(st.sampled_from(["", "optimise.", "network.hidden", "name"]), st.text(), st.text())
def test_no_set_ever_gives_anything_but_a_recipe_or_a_sentence(section: str, key: str, value: str) -> None:
    try:
        assert load("digits", [f"{section}{key}={value}"]).name == "digits"
    except RecipeError as error:
        assert str(error)


@pytest.mark.parametrize(
    "words", [{"about": "x"}, {"limits": "x"}, {"licence": "MIT"}, {"cost": {"minutes": 9, "memory_gb": 9}}]
)
def test_words_do_not_change_the_fingerprint(words: dict[str, Any]) -> None:
    assert parse("small", content() | words).fingerprint == small_recipe().fingerprint


def leaves(section: Any, *path: str) -> list[tuple[str, ...]]:
    """Places of all values in a table."""
    if not isinstance(section, dict):
        return [path]
    return [leaf for key, value in section.items() for leaf in leaves(value, *path, key)]


def other(value: Any) -> Any:
    """Another value, whatever its kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 0.5
    return [*value, 3] if isinstance(value, list) else f"{value}x"


def changed(table: dict[str, Any], path: tuple[str, ...]) -> Recipe:
    """The recipe with one value replaced, whether it is allowed there or not."""
    copy: dict[str, Any] = json.loads(json.dumps(table))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = other(place[path[-1]])
    recipe = parse("small", table)
    sections = {name: _unchecked(getattr(recipe, name), value) for name, value in copy.items()}
    return recipe.model_copy(update=sections)


def _unchecked(section: Any, value: Any) -> Any:
    return section.model_copy(update=value) if isinstance(value, dict) else value


FULL = small_recipe().model_dump(mode="json", exclude={"name", "about", "limits", "licence", "words_of", "cost"})


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("path", leaves(FULL), ids=".".join)
def test_every_other_value_changes_the_fingerprint(path: tuple[str, ...]) -> None:
    assert changed(FULL, path).fingerprint != small_recipe().fingerprint


def test_newer_values_change_the_fingerprint_and_their_absence_does_not() -> None:
    taught = [
        {"teachers": ["digits"]}, {"teachers": ["digits", "other"]}, {"teachers": ["digits"], "share": 0.5},
    ]  # fmt: skip
    found = {parse("small", content() | {"distillation": each}).fingerprint for each in taught}
    found.add(small_recipe(stop={"keep": "last"}).fingerprint)
    assert len(found | {small_recipe().fingerprint}) == 5
    words = {"about", "cost", "limits", "licence", "words_of"}
    before = small_recipe().model_dump(mode="json", exclude={*words, "distillation"})
    del before["stop"]["keep"], before["data"]["test_speaker"], before["data"]["test_block"]
    digest = hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()[:8]
    assert small_recipe().fingerprint == digest, "runs from before there were such values are found"


def test_what_is_written_out_and_what_is_left_to_the_default_are_one_recipe() -> None:
    assert parse("small", FULL).fingerprint == small_recipe().fingerprint


def test_a_changed_recipe_keeps_the_rest() -> None:
    recipe = small_recipe(optimise={"momentum": 0.5})
    other_rate = recipe.having({"optimise.rate": 0.5, "loss.l1": 0.1})
    assert other_rate.optimise.model_dump() == recipe.optimise.model_dump() | {"rate": 0.5}
    assert other_rate.loss.l1 == 0.1
    assert recipe.optimise.rate == 0.01
    assert recipe.having({"seed": 3}) == recipe.model_copy(update={"seed": 3})
    assert recipe.having({}) == recipe
    with pytest.raises(RecipeError, match=r"recipe small: optimise\.rat: there is no such key"):
        recipe.having({"optimise.rat": 0.5})


def test_a_recipe_cannot_be_changed_in_place() -> None:
    recipe = small_recipe()
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 2  # type: ignore[misc]  # that is the point
    assert not dataclasses.is_dataclass(recipe)


def test_sides_of_pictures() -> None:
    assert (small_recipe().train_px, small_recipe().eval_px) == (8, 8)
    cnn = parse("small", content(augment={"input_px": 24, "eval_px": 40}) | {"network": {"kind": "cnn"}})
    assert (cnn.train_px, cnn.eval_px) == (24, 40)
    cnn = parse("small", content(augment={"input_px": 24}) | {"network": {"kind": "cnn"}})
    assert cnn.eval_px == 24


@pytest.mark.parametrize(
    ("epochs", "sides_px"),
    [(1, [160]), (2, [96, 160]), (7, [96, 96, 128, 128, 128, 160, 160])],
)
def test_pictures_grow_evenly_to_the_training_side(epochs: int, sides_px: list[int]) -> None:
    augment = {"first_px": 96, "input_px": 160}
    cnn = parse("small", content(augment=augment, optimise={"epochs": epochs}) | {"network": {"kind": "cnn"}})
    assert [cnn.side_px(epoch) for epoch in range(epochs)] == sides_px


def test_pictures_end_at_a_side_that_is_no_multiple_of_a_step() -> None:
    cnn = parse("small", content(augment={"first_px": 20, "input_px": 90}) | {"network": {"kind": "cnn"}})
    sides_px = [cnn.side_px(epoch) for epoch in range(cnn.optimise.epochs)]
    assert sides_px == sorted(sides_px)
    assert (sides_px[0], sides_px[-1]) == (20, 90)
    assert small_recipe().side_px(0) == 8


def test_words_of_other_data_are_not_said() -> None:
    told = parse("small", content() | {"words_of": "abcd1234", "limits": "Knows tigers.", "licence": "CC BY"})
    assert told.trained_on("abcd1234") is told
    other = told.trained_on("99999999")
    assert other.limits == ""
    assert "CC BY" not in other.licence
    assert "owner of the training data" in other.licence
    assert other.fingerprint == told.fingerprint == parse("small", content()).fingerprint
    anything = parse("small", content() | {"limits": "Knows what I say."})
    assert anything.trained_on("99999999") is anything


@pytest.mark.parametrize("name", [each for each in names(RECIPES) if "digits" not in each])
def test_recipes_for_given_data_say_of_which_their_words_are(name: str) -> None:
    """Licence and limits name CIFAR-10 or the Free Spoken Digits; scikit-learn's digits cannot be other data."""
    recipe = load(name)
    assert recipe.words_of is not None
    assert "published weights" in recipe.trained_on("0" * 8).licence or recipe.network.kind in {"cnn", "ctc"}
