"""A sweep: Optuna looks for values of a recipe (structure, rate, activation, loss) that do best on validation.

Every trial is a run like any other, and is noted in a journal beside the sweep's report; a sweep that was stopped
goes on with the trial that it was in. The test part judges the best trial alone, once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from models.manifest import Name
from training import recipe as recipes
from training.definitions import SWEEPS, Section, checked, read
from training.errors import DivergedError, Interrupted
from training.preparation import prepare
from training.recipe import Recipe
from training.run import RESULT, find_finished
from training.sections import Positive
from training.session import Surroundings, train

JOURNAL = "trials.journal"
FIGURE = "validation_accuracy"
_RUN = "run"


class Choices(Section):
    """One of some values."""

    choices: tuple[Any, ...] = Field(min_length=2)

    def distribution(self) -> BaseDistribution:
        """Values as JSON, since Optuna's categories are plain."""
        return CategoricalDistribution([json.dumps(each) for each in self.choices])


class Between(Section):
    """A number from an interval."""

    low: float
    high: float
    log: bool = False
    kind: Literal["float", "int"] = "float"

    def distribution(self) -> BaseDistribution:
        """Even, or even in its logarithm."""
        if self.kind == "int":
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


class Sweep(Section):
    """What is looked for, and where."""

    name: Name
    about: str
    recipe: Name
    minutes: float = Field(gt=0)
    """What it is expected to take, on two CPU cores."""
    trials: Positive
    seed: int = Field(default=1, ge=0)
    common: dict[str, Any] = Field(default={})
    """Values of the recipe that all trials share."""
    space: dict[str, Annotated[Choices | Between, Field(union_mode="left_to_right")]] = Field(min_length=1)
    """Where each value is looked for, by `section.key`."""


@dataclass(frozen=True)
class Trial:
    """One set of values and what came of it."""

    number: int
    values: dict[str, Any]
    figure: float | None
    """Validation accuracy, 0…1; None where training came to nothing."""
    seconds: float
    parameters: int
    words: str


@dataclass(frozen=True)
class Found:
    """What a sweep came to."""

    trials: tuple[Trial, ...]
    importances: dict[str, float]
    """Share of the variance that each value explains (fANOVA), most first; empty where too little is known."""
    best: Trial
    test: dict[str, float]
    """The best trial's figures on the test part."""
    run: str


def load(reference: str, folder: Path = SWEEPS) -> Sweep:
    """The sweep of that name, or of that file.

    Raises:
        RecipeError: there is no such sweep, or it is wrong somewhere.
    """
    return checked("sweep", Sweep, *read("sweep", reference, folder))


def conduct(sweep: Sweep, around: Surroundings, folder: Path, trials: int | None = None) -> Found:
    """Make the trials that are still to be made, of `trials` or as many as the sweep says.

    Raises:
        TrainingError: whatever a person can mend, save training that comes to nothing: that is a result.
        DivergedError: no trial came to anything.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(logging.WARNING)
    journal = str(folder / JOURNAL)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(journal, lock_obj=JournalFileOpenLock(journal))),
        study_name=sweep.name,
        sampler=optuna.samplers.TPESampler(seed=sweep.seed),
        direction="maximize",
        load_if_exists=True,
    )
    _take_up(study)
    start = base(sweep)
    quiet = replace(around, is_shown=False, is_reported=False, say=lambda _: None)
    space = {key: each.distribution() for key, each in sweep.space.items()}
    wanted = trials or sweep.trials
    while (made := len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))) < wanted:
        trial = study.ask(space)
        try:
            _make(study, trial, start, quiet)
        except KeyboardInterrupt as stop:
            raise Interrupted(f"{made} of {wanted} trials stand; the same command goes on") from stop
        around.say(f"{made + 1}/{wanted} {_line(_trial(study.trials[trial.number]))}")
    return _found(study, start, around)


def base(sweep: Sweep) -> Recipe:
    """The recipe with what all trials share.

    Raises:
        RecipeError: a value does not fit the recipe.
    """
    return recipes.load(sweep.recipe).having(sweep.common)


def _take_up(study: optuna.Study) -> None:
    """A trial that was being made when the sweep was stopped is asked for again, and goes on where its run stands."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)


def _make(study: optuna.Study, trial: optuna.Trial, start: Recipe, around: Surroundings) -> None:
    recipe = start.having(_values(trial.params))
    data = prepare(recipe, around.data, around.cache).fingerprint
    try:
        run = find_finished(around.runs, recipe, data) or train(recipe, around)
    except DivergedError as error:
        trial.set_user_attr("words", str(error))
        study.tell(trial, state=TrialState.PRUNED)
        return
    result = run.read(RESULT)
    for name in ("seconds", "parameters"):
        trial.set_user_attr(name, result[name])
    trial.set_user_attr("words", "; ".join(result["warnings"]))
    trial.set_user_attr(_RUN, run.id)
    study.tell(trial, result[FIGURE])


def _values(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: json.loads(value) if isinstance(value, str) else value for key, value in params.items()}


def _trial(trial: FrozenTrial) -> Trial:
    known = trial.user_attrs
    return Trial(
        number=trial.number,
        values=_values(trial.params),
        figure=trial.value,
        seconds=known.get("seconds", 0.0),
        parameters=known.get("parameters", 0),
        words=known.get("words", ""),
    )


def _line(trial: Trial) -> str:
    figure = "came to nothing" if trial.figure is None else f"{trial.figure:.1%}"
    values = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in trial.values.items()
    )
    return f"{figure} in {trial.seconds:.0f} s: {values}"


def _found(study: optuna.Study, start: Recipe, around: Surroundings) -> Found:
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise DivergedError(f"no trial of {study.study_name} came to anything: lower the rates of its space")
    made = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    best = study.best_trial
    recipe = start.having(_values(best.params))
    run = find_finished(around.runs, recipe, prepare(recipe, around.data, around.cache).fingerprint)
    test = {} if run is None else {k: v for k, v in run.read(RESULT).items() if k.startswith("test_")}
    return Found(
        trials=tuple(_trial(each) for each in made),
        importances=_importances(study),
        best=_trial(best),
        test=test,
        run=best.user_attrs[_RUN],
    )


def _importances(study: optuna.Study) -> dict[str, float]:
    values = {trial.value for trial in study.get_trials(states=(TrialState.COMPLETE,))}
    if len(values) < 2:  # nothing to explain
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=1)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
