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
from training.run import REPORT, RESULT, Run, find_run, interrupted
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
    name: str | None = None
    """Of the model that is published; None is the recipe's name."""


@dataclass(frozen=True)
class PublishRequest:
    """Which run is published, where to, and as what."""

    run: str
    around: Surroundings
    store: Store
    is_forced: bool = False
    name: str | None = None
    is_kept: bool = False

    def publication(self) -> Publication:
        """Of the run that is meant."""
        around, run = self.around, find_run(self.around.runs, self.run)
        return Publication(run, self.store, around.cache, around.data, self.is_forced, self.name, self.is_kept)


def train(asked: TrainRequest) -> Outcome:
    """Train a recipe to its end, going on with a run that stopped; publish it where that is wanted.

    Raises:
        TrainingError: whatever a person can mend; a run that is finished stays, even where publishing is refused.
    """
    recipe = recipes.load(asked.recipe, asked.overrides)
    run = train_recipe(recipe, asked.around)
    if not is_first_process():
        return SILENCE
    try:
        outcome = _run_outcome(run)
        if not asked.is_published:
            return outcome
        published = publish(PublishRequest(str(run.folder), asked.around, asked.store, asked.is_forced, asked.name))
    except KeyboardInterrupt as stop:
        raise interrupted(run) from stop
    return Outcome((*outcome.lines, *published.lines), {**published.fields, **outcome.fields})


def publish(asked: PublishRequest) -> Outcome:
    """Publish a finished run as the next version of a model.

    Raises:
        GateError: it is worse than the version that it would replace.
    """
    publication = asked.publication()
    artifact: Artifact = publish_run(publication)
    outcome = described(artifact, is_new=True)
    return replace(outcome, fields={**outcome.fields, "run": publication.run.id})


def _run_outcome(run: Run) -> Outcome:
    result: dict[str, Any] = run.read(RESULT)
    shown = {name: value for name, value in result.items() if name.startswith(("test_", "validation_"))}
    lines = [f"{run.id} finished in {result['seconds']:.0f} s after {result['epochs']} epochs: {result['ended']}"]
    lines += [f"  {name.replace('_', ' ')}: {value:.4f}" for name, value in shown.items()]
    if result.get("uncalibrated"):
        lines.append(f"  scores are not calibrated: {result['uncalibrated']}")
    lines += [f"  warning: {words}" for words in result["warnings"]]
    report = run.folder / REPORT
    return Outcome((*lines, f"  report: {report}"), {**result, "report": str(report)})
