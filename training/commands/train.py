"""`train` and `publish`: from a recipe to a run, and from a run to a served version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.store import Artifact, Store
from training import recipe as recipes
from training.commands.export import described
from training.commands.outcome import SILENCE, Outcome
from training.distributed import is_first_process
from training.export.trained import Publication
from training.export.trained import publish as publish_run
from training.run import REPORT, RESULT, Run, find_run
from training.session import Surroundings
from training.session import train as train_recipe


@dataclass(frozen=True)
class TrainRequest:
    """What is to be trained, and whether it is published at the end."""

    recipe: str
    around: Surroundings
    store: Store
    overrides: Sequence[str] = ()
    is_published: bool = False
    is_forced: bool = False
    is_kept: bool = False


def train(asked: TrainRequest) -> Outcome:
    """Train a recipe to its end, going on with a run that stopped; publish it where that is wanted.

    Raises:
        TrainingError: whatever a person can mend; a run that is finished stays, even where publishing is refused.
    """
    recipe = recipes.load(asked.recipe, asked.overrides)
    run = train_recipe(recipe, asked.around)
    if not is_first_process():
        return SILENCE
    outcome = _run_outcome(run)
    if not asked.is_published:
        return outcome
    around = asked.around
    published = publish(Publication(run, asked.store, around.cache, around.data, asked.is_forced, asked.is_kept))
    return Outcome((*outcome.lines, *published.lines), {**published.fields, **outcome.fields})


def publish(asked: Publication) -> Outcome:
    """Publish a finished run as the next version of its model.

    Raises:
        GateError: it is worse than the version that it would replace.
    """
    artifact: Artifact = publish_run(asked)
    outcome = described(artifact, is_new=True)
    return replace(outcome, fields={**outcome.fields, "run": asked.run.id})


def publication(reference: str, asked: TrainRequest) -> Publication:
    """Of a run that a person names."""
    run = find_run(asked.around.runs, reference)
    return Publication(run, asked.store, asked.around.cache, asked.around.data, asked.is_forced, asked.is_kept)


def _run_outcome(run: Run) -> Outcome:
    result: dict[str, Any] = run.read(RESULT)
    shown = {name: value for name, value in result.items() if name.startswith(("test_", "validation_"))}
    lines = [f"{run.id} finished in {result['seconds']:.0f} s after {result['epochs']} epochs: {result['ended']}"]
    lines += [f"  {name.replace('_', ' ')}: {value:.4f}" for name, value in shown.items()]
    lines += [f"  warning: {words}" for words in result["warnings"]]
    report = run.folder / REPORT
    return Outcome((*lines, f"  report: {report}"), {**result, "report": str(report)})
