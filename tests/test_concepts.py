"""docs/concepts.md and its Chinese twin: every link leads somewhere, every command is one that can be typed as it is.

Commands are read by the command line's own parser, and what they name (recipes with their changes, studies, sweeps,
models) is loaded. Nothing is trained. What is only said in words is not proven here.
"""

from __future__ import annotations

import argparse
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from training import recipe as recipes
from training import study as studies
from training import sweep as sweeps
from training.command_line import _parser
from training.errors import RecipeError
from training.export.registry import EXPORTERS
from training.recipe import Recipe
from training.sections import Autoencoder, Cnn, Ctc, Lite, Mlp

DOCS = Path(__file__).parent.parent / "docs"
ENGLISH, CHINESE = "concepts.md", "concepts.zh-CN.md"
DOCUMENTS = (ENGLISH, CHINESE)
PROGRAM = [".venv/bin/python", "-m", "training"]
PLOTS = {
    "autoencoder.png", "cifar10-cnn-accuracy.png", "cifar10-lite0-accuracy.png", "digits-confusion.png",
    "digits-gradients.png", "digits-loss.png", "digits-reliability.png", "fsdd-learning.png", "gradients-layers.png",
    "gradients-learning.png", "rate.png", "reconstructions.png", "scaling-accuracy.png", "scaling-fsdd-heat.png",
    "scaling-fsdd-time.png", "scaling-heat.png", "sweep-fsdd-importance.png", "sweep-importance.png",
    "sweep-trials.png",
}  # fmt: skip
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
_KEY = re.compile(r"`(data|network|start|loss|optimise|augment|stop|health)\.(\w+)")
_NETWORKS = (Mlp, Cnn, Lite, Ctc, Autoencoder)


def text_of(document: str) -> str:
    """The Markdown."""
    return (DOCS / document).read_text("utf-8")


def links(markdown: str) -> list[str]:
    """Where its links and pictures lead, in their order, its table of contents and its twin left out."""
    found = _LINK.findall(_FENCE.sub("", markdown))
    return [each for each in found if not each.startswith("#") and each not in DOCUMENTS]


def commands(markdown: str) -> list[str]:
    """The lines of its `sh` blocks."""
    return [line for language, body in _FENCE.findall(markdown) if language == "sh" for line in body.splitlines()]


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def words_of(command: str) -> list[str]:
    """What the program is given, as a shell would divide it."""
    words = shlex.split(command)
    assert words[: len(PROGRAM)] == PROGRAM, command
    return words[len(PROGRAM) :]


def check(command: str) -> None:
    """Parse a command of a document and load what it names.

    Raises:
        SystemExit: the parser refuses it.
        RecipeError: it names what there is not, or changes it wrongly.
    """
    options = _parser({}).parse_args(words_of(command))
    named = vars(options)
    for recipe in _recipes_of(options):
        assert recipe.data.source == "digits" or options.data is not None, f"{command}: needs --data"
    quantized = [named["name"]] if "name" in named and named.keys().isdisjoint({"run", "recipe"}) else []
    for model in (*named.get("names", ()), *quantized):
        assert model in EXPORTERS, f"{command}: there is no model {model}"
    if "kind" in named:
        assert options.data is not None, f"{command}: needs --data"
        assert options.model is None or options.model in EXPORTERS, f"{command}: there is no model {options.model}"


def _recipes_of(options: argparse.Namespace) -> list[Recipe]:
    """What a command trains or publishes; a published run is found again with its own data."""
    named = vars(options)
    if "run" in named:
        recipes.load(named["run"])
    if "recipe" in named:
        return [recipes.load(named["recipe"], named["set"])]
    if "study" in named:
        return [cell.recipe for cell in studies.cells(studies.load(named["study"]))]
    return [sweeps.base(sweeps.load(named["sweep"]))] if "sweep" in named else []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    found = links(text_of(document))
    pictures = {each for each in found if each.startswith("plots/")}
    assert {Path(each).name for each in pictures} <= PLOTS
    wanted = found if (DOCS / "plots").is_dir() else [each for each in found if each not in pictures]
    assert not [each for each in wanted if not (DOCS / each).exists()]
    assert not [each for each in _LINK.findall(text_of(document)) if each in DOCUMENTS and not (DOCS / each).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_table_of_contents_lists_every_section_in_its_order(document: str) -> None:
    markdown = text_of(document)
    contents = _LINK.findall(markdown[: markdown.index("\n## ")])
    assert [each for each in contents if each.startswith("#")] == [f"#{slug(each)}" for each in headings(markdown)]
    anchors = [each.removeprefix("#") for each in _LINK.findall(markdown) if each.startswith("#")]
    assert set(anchors) <= {slug(each) for each in headings(markdown)}


def headings(markdown: str) -> list[str]:
    """Of its sections."""
    return _HEADING.findall(_FENCE.sub("", markdown))


@pytest.mark.parametrize("command", commands(text_of(ENGLISH)))
def test_every_command_can_be_typed_as_it_is(command: str) -> None:
    check(command)


@pytest.mark.parametrize(
    "arguments",
    [
        "train digit",
        "train digits --set network.heads=2",
        "train digits --set network.activation=rectified",
        "train digits --sets a.b=1",
        "train cifar10-cnn",
        "study no-such",
        "study scaling-fsdd",
        "sweep fsdd",
        "publish no-such",
        "evaluate image",
        "evaluate image --data DIR --model no-such",
        "export no-such",
        "quantize no-such",
        "reward digits",
    ],
)
def test_a_command_that_would_fail_is_noticed(arguments: str) -> None:
    with pytest.raises((SystemExit, RecipeError, AssertionError)):
        check(f"{shlex.join(PROGRAM)} {arguments}")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_key_of_a_recipe_that_is_spoken_of_exists(document: str) -> None:
    known = {
        (section, key)
        for section, field in Recipe.model_fields.items()
        for key in getattr(field.annotation, "model_fields", ())
    } | {("network", key) for network in _NETWORKS for key in network.model_fields}
    spoken = set(_KEY.findall(text_of(document)))
    assert spoken
    assert not spoken - known


def test_both_languages_say_the_same_in_the_same_order() -> None:
    english, chinese = (text_of(document) for document in DOCUMENTS)
    assert len(headings(english)) == len(headings(chinese))
    for before, after in zip(sections(english), sections(chinese), strict=True):
        assert sorted(links(before)) == sorted(links(after))
        assert commands(before) == commands(after)
        assert set(_KEY.findall(before)) == set(_KEY.findall(after))
    assert ENGLISH in _LINK.findall(chinese)
    assert CHINESE in _LINK.findall(english)


def sections(markdown: str) -> list[str]:
    """The document cut before each heading of the second level, what stands before the first one included."""
    bounds = [0, *(found.start() for found in re.finditer(r"^## ", markdown, re.MULTILINE)), len(markdown)]
    return [markdown[begin:end] for begin, end in pairwise(bounds)]


def test_what_is_said_of_published_weights_holds() -> None:
    with pytest.raises(RecipeError, match="overwrite published weights"):
        recipes.load("cifar10-lite0", ["start.initialiser=kaiming"])
    with pytest.raises(RecipeError, match="overwrite published weights"):
        recipes.load("cifar10-lite0", ["start.gain=1.3"])
    fresh = recipes.load(
        "cifar10-lite0", ["start.initialiser=kaiming", "network.pretrained=false", "network.frozen_norms=false"]
    )
    assert fresh.start.initialiser == "kaiming"
