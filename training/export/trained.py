"""From a finished run to an artifact: the trained network in the same line as published ones, behind one more gate.

The run's data are read again, since parity, int8 and the comparison with the version before are measured on its
held-out part. A model that is worse on it than the one it would replace is refused.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from models.store import Artifact, Store
from training.errors import UsageError
from training.export import kept, trained_pictures, trained_speech
from training.export.origin import Origin
from training.export.request import ExportRequest
from training.networks.grey import GreyInput
from training.objectives.classification import Classification
from training.objectives.speech import SpeechObjective
from training.preparation import Prepared, prepare
from training.recipe import Recipe
from training.run import DATA, RESULT, Run


@dataclass(frozen=True)
class Publication:
    """What is published, where, and whether the comparison with the version before may be overruled."""

    run: Run
    store: Store
    cache: Path
    data: Path | None = None
    """Where the run's data lie now; None takes the place they were trained from."""
    is_forced: bool = False
    name: str | None = None
    """Of the model that the run is the next version of; None is the recipe's name."""
    is_kept: bool = False
    """Whether the weights are kept beside the source, for `export` where the data are not at hand."""


def publish(asked: Publication) -> Artifact:
    """Export a run's network and publish it as the next version of a model, by default that of its recipe's name.

    Raises:
        GateError: it is right about nothing, or worse than the version that it would replace, on the run's own
            held-out data.
        RecipeError: the name cannot be one.
        UsageError: a network that only restores pictures, or other data than those of the run.
    """
    recipe = asked.run.recipe() if asked.name is None else asked.run.recipe().called(asked.name)
    recipe = recipe.trained_on(asked.run.read(DATA)["fingerprint"])
    prepared = _prepared(asked, recipe)
    objective = prepared.objective
    if not isinstance(objective, Classification | SpeechObjective):
        raise UsageError(f"{asked.run.id} restores pictures and recognises nothing: there is nothing to serve")
    asked.run.load_weights(objective.network)
    origin = Origin.of_run(asked.run, recipe)
    if not asked.is_kept:
        return _published(asked, objective, origin)
    about = _described(asked.run, prepared, objective, origin)
    with TemporaryDirectory() as scratch:  # what is refused must not replace what was kept before
        origin = kept.keep(objective.network, recipe, about, asked.cache, Path(scratch)).origin()
        artifact = _published(asked, objective, origin)
        shutil.copytree(scratch, kept.FOLDER, dirs_exist_ok=True)
    return artifact


def _published(asked: Publication, objective: Classification | SpeechObjective, origin: Origin) -> Artifact:
    request = ExportRequest(asked.store, asked.cache)
    if isinstance(objective, SpeechObjective):
        return trained_speech.publish(objective, origin, request, is_forced=asked.is_forced, is_kept=asked.is_kept)
    records = request.records if asked.is_kept else None
    return trained_pictures.publish(objective, origin, asked.store, is_forced=asked.is_forced, records=records)


def _described(
    run: Run, prepared: Prepared, objective: Classification | SpeechObjective, origin: Origin
) -> kept.Described:
    result = run.read(RESULT)
    return kept.Described(
        source=origin.source,
        data=origin.data,
        classes=prepared.classes,
        figures={name: float(value) for name, value in result.items() if name.startswith("test_")},
        joiner=objective.units.joiner if isinstance(objective, SpeechObjective) else "",
        is_grey=isinstance(objective.network, GreyInput),
        normalise=objective.normalise if isinstance(objective, Classification) else None,
    )


def _prepared(asked: Publication, recipe: Recipe) -> Prepared:
    told = asked.run.read(DATA)
    place = asked.data or (Path(told["path"]) if told["path"] else None)
    prepared = prepare(recipe, place, asked.cache)
    if prepared.fingerprint != told["fingerprint"]:
        raise UsageError(f"{place} does not hold the data that {asked.run.id} was trained on")
    return prepared
