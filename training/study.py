"""A study: one recipe trained in several variants, over several seeds, to see what a change does.

A study's file names the recipe, the variants, and perhaps one value that goes up across all of them (depth, labels
per class). Each cell is a run like any other: it is found again when the study is repeated, and taken up where it
stopped. What fails is a result too, and is kept in words.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from models.manifest import Name
from training import recipe as recipes
from training.definitions import STUDIES, Section, checked, read
from training.errors import DivergedError, Interrupted
from training.preparation import prepare
from training.recipe import Recipe
from training.run import HISTORY, RESULT, Run, find_finished
from training.sections import Positive
from training.session import Surroundings, train

FIGURE = "test_accuracy"


class Variant(Section):
    """One way of training the recipe."""

    name: str
    set: dict[str, Any] = Field(default={})
    """Values of the recipe that it changes, by `section.key`."""


class Across(Section):
    """A value that goes up, for every variant."""

    name: str
    key: str
    values: tuple[Any, ...] = Field(min_length=2)


class Study(Section):
    """What is compared."""

    name: Name
    about: str
    recipe: Name
    minutes: float = Field(gt=0)
    """What it is expected to take, on two CPU cores."""
    seeds: tuple[Positive, ...] = (1,)
    common: dict[str, Any] = Field(default={})
    """Values that all variants share."""
    variants: tuple[Variant, ...] = Field(min_length=1)
    across: Across | None = None


@dataclass(frozen=True)
class Cell:
    """One training of a study."""

    variant: str
    value: Any
    """Of what goes up; None where nothing does."""
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class Outcome:
    """What came of a cell."""

    cell: Cell
    figure: float | None
    """Test accuracy, 0…1; None where training came to nothing."""
    seconds: float
    parameters: int
    words: tuple[str, ...]
    """Warnings, or why it came to nothing."""
    history: dict[str, Any]


@dataclass(frozen=True)
class Group:
    """A cell over all its seeds."""

    variant: str
    value: Any
    outcomes: tuple[Outcome, ...]

    @property
    def figures(self) -> list[float]:
        """Of the seeds that came to something."""
        return [each.figure for each in self.outcomes if each.figure is not None]

    @property
    def mean(self) -> float | None:
        """Over the seeds; None where one of them came to nothing."""
        return statistics.mean(self.figures) if len(self.figures) == len(self.outcomes) else None

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds."""
        return statistics.stdev(self.figures) if len(self.figures) > 1 else 0.0

    @property
    def seconds(self) -> float:
        """Median of the seeds."""
        return statistics.median(each.seconds for each in self.outcomes)

    @property
    def words(self) -> tuple[str, ...]:
        """What was said of any of them, once."""
        return tuple(dict.fromkeys(words for each in self.outcomes for words in each.words))


def load(reference: str, folder: Path = STUDIES) -> Study:
    """The study of that name, or of that file.

    Raises:
        RecipeError: there is no such study, or it is wrong somewhere.
    """
    return checked("study", Study, *read("study", reference, folder))


def cells(study: Study) -> Iterator[Cell]:
    """Every training of it, in order.

    Raises:
        RecipeError: a value does not fit the recipe.
    """
    base = recipes.load(study.recipe).having(study.common)
    for variant in study.variants:
        for value in study.across.values if study.across else [None]:
            across = {} if study.across is None else {study.across.key: value}
            for seed in study.seeds:
                yield Cell(variant.name, value, seed, base.having({**variant.set, **across, "seed": seed}))


def conduct(study: Study, around: Surroundings) -> list[Group]:
    """Train whatever has not been trained yet; gives what came of each cell.

    Raises:
        TrainingError: whatever a person can mend, save training that comes to nothing: that is a result.
    """
    planned = list(cells(study))
    quiet = replace(around, is_shown=False, is_reported=False, say=lambda _: None)
    outcomes = []
    for number, cell in enumerate(planned, 1):
        try:
            outcome = _outcome(cell, quiet)
        except KeyboardInterrupt as stop:
            raise Interrupted(f"{number - 1} of {len(planned)} trainings stand; the same command goes on") from stop
        outcomes.append(outcome)
        around.say(f"{number}/{len(planned)} {_title(study, cell)}: {_short(outcome)}")
    return _grouped(outcomes)


def _title(study: Study, cell: Cell) -> str:
    value = "" if study.across is None else f", {study.across.name} {cell.value}"
    return f"{cell.variant}{value}, seed {cell.seed}"


def _short(outcome: Outcome) -> str:
    figure = "nothing" if outcome.figure is None else f"{outcome.figure:.1%}"
    return f"{figure} in {outcome.seconds:.0f} s" + "".join(f"; {words}" for words in outcome.words)


def _outcome(cell: Cell, around: Surroundings) -> Outcome:
    data = prepare(cell.recipe, around.data, around.cache).fingerprint
    try:
        run = find_finished(around.runs, cell.recipe, data) or train(cell.recipe, around)
    except DivergedError as error:
        return Outcome(cell, None, 0.0, 0, (str(error),), {"epochs": [], "looks": []})
    return _of_run(cell, run)


def _of_run(cell: Cell, run: Run) -> Outcome:
    result, history = run.read(RESULT), run.read(HISTORY)
    warnings = tuple(result["warnings"])
    return Outcome(cell, result[FIGURE], history["seconds"], result["parameters"], warnings, history)


def _grouped(outcomes: Sequence[Outcome]) -> list[Group]:
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for each in outcomes:
        groups.setdefault((each.cell.variant, repr(each.cell.value)), []).append(each)
    return [Group(each[0].cell.variant, each[0].cell.value, tuple(each)) for each in groups.values()]
