"""`find-rate`, `study` and `sweep`: many trainings for one answer, and its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import find_rate as rates
from training import recipe as recipes
from training import study as studies
from training import study_report, sweep_report
from training import sweep as sweeps
from training.commands.outcome import Outcome
from training.distributed import joined, process_count
from training.errors import UsageError
from training.preparation import prepare
from training.run import REPORT, fingerprint
from training.session import Surroundings

RESULTS = "results.json"


def find_rate(reference: str, overrides: Sequence[str], around: Surroundings) -> Outcome:
    """Look for the learning rate of a recipe.

    Raises:
        TrainingError: whatever a person can mend.
    """
    _refuse_several()
    recipe = recipes.load(reference, overrides)
    with joined(around.device) as world:
        prepared = prepare(recipe, around.data, around.cache)
        found = rates.find_rate(recipe, prepared.objective, world)
    folder = around.runs / recipe.name / f"rate-{fingerprint(recipe, prepared.fingerprint)}"
    folder.mkdir(parents=True, exist_ok=True)
    rates.report(recipe, found, folder / REPORT)
    _keep(folder, found.as_json())
    lines = (
        f"{recipe.name}: the loss falls most steeply at a rate of {found.suggested:g}, "
        f"and is lowest at {found.highest:g}",
        f"  the recipe has optimise.rate = {recipe.optimise.rate:g}",
        f"  report: {folder / REPORT}",
    )
    fields = {"recipe": recipe.name, "suggested": found.suggested, "highest": found.highest}
    return Outcome(lines, {**fields, "report": str(folder / REPORT)})


def study(reference: str, around: Surroundings) -> Outcome:
    """Make a study, or what is left of it.

    Raises:
        TrainingError: whatever a person can mend.
    """
    _refuse_several()
    wanted = studies.load(reference)
    around.say(f"{wanted.name}: about {wanted.minutes:g} minutes on two CPU cores. {wanted.about}")
    groups = studies.conduct(wanted, around)
    folder = around.runs / "studies" / wanted.name
    folder.mkdir(parents=True, exist_ok=True)
    study_report.report(wanted, groups, folder / REPORT)
    rows = study_report.summary(wanted, groups)
    _keep(folder, {"study": wanted.name, "results": rows})
    lines = [
        f"  {each.variant}{'' if wanted.across is None else f', {wanted.across.name} {each.value}'}: "
        f"{study_report.figure(each)}, {each.seconds:.1f} s"
        for each in groups
    ]
    head = f"{wanted.name}: {len(groups)} variants over {len(wanted.seeds)} seeds"
    fields = {"study": wanted.name, "results": rows, "report": str(folder / REPORT)}
    return Outcome((head, *lines, f"  report: {folder / REPORT}"), fields)


def sweep(reference: str, around: Surroundings, trials: int | None) -> Outcome:
    """Make a sweep, or what is left of it.

    Raises:
        TrainingError: whatever a person can mend.
    """
    _refuse_several()
    wanted = sweeps.load(reference)
    around.say(f"{wanted.name}: about {wanted.minutes:g} minutes on two CPU cores. {wanted.about}")
    folder = around.runs / "sweeps" / wanted.name
    found = sweeps.conduct(wanted, around, folder, trials)
    sweep_report.report(wanted, found, folder / REPORT)
    fields: dict[str, Any] = {
        "sweep": wanted.name,
        "trials": len(found.trials),
        "best": found.best.values,
        "validation_accuracy": found.best.figure,
        **found.test,
        "importances": found.importances,
        "run": found.run,
    }
    _keep(folder, fields)
    values = " ".join(f"{key}={json.dumps(value)}" for key, value in found.best.values.items())
    lines = (
        f"{wanted.name}: best of {len(found.trials)} trials {found.best.figure or 0.0:.1%} on validation, "
        f"{found.test.get('test_accuracy', 0.0):.1%} on test ({found.run})",
        f"  --set {values}",
        *(f"  {share:.0%} of what mattered: {key}" for key, share in found.importances.items()),
        f"  report: {folder / REPORT}",
    )
    return Outcome(lines, {**fields, "report": str(folder / REPORT)})


def _refuse_several() -> None:
    if process_count() > 1:
        raise UsageError("studies, sweeps and the rate finder are made by one process: start them without torchrun")


def _keep(folder: Path, content: dict[str, Any]) -> None:
    partial = folder / f"{RESULTS}.partial"
    partial.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / RESULTS)
