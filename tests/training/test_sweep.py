"""Sweeps: their spaces hold, a stopped one goes on with the same trial, and the test part chooses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import sweep as sweeps
from training import sweep_report
from training.definitions import SWEEPS, names
from training.errors import DivergedError, RecipeError
from training.session import Surroundings, train
from training.sweep import Found, Sweep

QUICK = {"optimise.epochs": 1, "network.norm": "none", "network.dropout": 0.0}
SPACE = {
    "network.hidden": {"choices": [[], [8], [8, 8]]},
    "optimise.rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "loss.kind": {"choices": ["cross-entropy", "l2"]},
}


def _sweep(**changes: object) -> Sweep:
    content = {
        "name": "quick", "about": "A quick one.", "recipe": "digits", "minutes": 0.1, "trials": 4, "common": QUICK,
        "space": SPACE,
    }  # fmt: skip
    return Sweep.model_validate({**content, **changes})


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(runs=tmp_path / "runs", cache=tmp_path, is_shown=False, say=lambda _: None)


def _conduct(sweep: Sweep, around: Surroundings, tmp_path: Path, trials: int | None = None) -> Found:
    return sweeps.conduct(sweep, around, tmp_path / "sweep", trials)


@pytest.mark.parametrize("name", names(SWEEPS))
def test_every_value_of_every_sweep_fits_its_recipe(name: str) -> None:
    sweep = sweeps.load(name)
    base = sweeps.base(sweep)
    for key, space in sweep.space.items():
        ends = space.choices if isinstance(space, sweeps.Choices) else (space.low, space.high)
        assert all(base.having({key: value}) for value in ends)


def test_the_best_is_chosen_on_validation_and_judged_on_test(around: Surroundings, tmp_path: Path) -> None:
    found = _conduct(_sweep(), around, tmp_path)
    assert len(found.trials) == 4
    assert found.best.figure == max(trial.figure or 0.0 for trial in found.trials)
    assert 0 <= found.test["test_accuracy"] <= 1
    assert (around.runs / found.run / "result.json").is_file()
    assert sum(found.importances.values()) == pytest.approx(1.0)
    sweep_report.report(_sweep(), found, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "What mattered" in page
    assert page.count("data:image/png;base64,") == 5


def test_a_sweep_that_was_stopped_goes_on_with_the_trial_it_was_in(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _conduct(_sweep(), around, tmp_path / "whole")
    calls, real = [0], train

    def stops(*arguments: object) -> object:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sweeps, "train", stops)
    other = Surroundings(runs=tmp_path / "other", cache=tmp_path, is_shown=False, say=lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        _conduct(_sweep(), other, tmp_path / "stopped")
    found = _conduct(_sweep(), other, tmp_path / "stopped")
    assert len(found.trials) == 4
    assert [t.values for t in found.trials[:3]] == [t.values for t in whole.trials[:3]]
    assert [t.figure for t in found.trials[:3]] == [t.figure for t in whole.trials[:3]]


def test_more_trials_are_added_to_those_that_were_made(around: Surroundings, tmp_path: Path) -> None:
    first = _conduct(_sweep(), around, tmp_path, trials=2)
    more = _conduct(_sweep(), around, tmp_path, trials=3)
    assert [t.values for t in more.trials[:2]] == [t.values for t in first.trials]
    assert len(more.trials) == 3


def test_a_space_in_which_nothing_learns_is_said(around: Surroundings, tmp_path: Path) -> None:
    space = {"start.gain": {"low": 1e18, "high": 1e19}}
    with pytest.raises(DivergedError, match="no trial of quick came to anything"):
        _conduct(_sweep(space=space, trials=2), around, tmp_path)


@pytest.mark.parametrize("space", [{}, {"optimise.rate": {"low": 1}}, {"optimise.rate": {"choices": [1]}}])
def test_a_wrong_space_is_one_sentence(space: dict[str, object], tmp_path: Path) -> None:
    lines = ['about = ""', 'recipe = "digits"', "minutes = 1", "trials = 2", "[space]"]
    lines += [f'"{key}" = {{ {", ".join(f"{k} = {v}" for k, v in each.items())} }}' for key, each in space.items()]  # type: ignore[attr-defined]
    (tmp_path / "mine.toml").write_text("\n".join(lines))
    with pytest.raises(RecipeError, match="sweep mine: space"):
        sweeps.load(str(tmp_path / "mine.toml"))


def test_a_key_that_no_recipe_has_is_said(around: Surroundings, tmp_path: Path) -> None:
    space = {"optimise.rat": {"low": 0.1, "high": 0.2}}
    with pytest.raises(RecipeError, match=r"optimise\.rat: there is no such key"):
        _conduct(_sweep(space=space), around, tmp_path)
