"""What the report of one run shows: figures, curves, gradients, and what the task adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from training import plots
from training.calibration import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probabilities,
    reliability,
)
from training.cross_validation import why_not
from training.error_rate import total
from training.metrics import by_class, confusion
from training.objectives.classification import Scored
from training.objectives.objective import Judgement
from training.objectives.speech import Heard
from training.progress import Progress
from training.recipe import Recipe
from training.report import Picture, Section, Table, percent, text

_MOST_ROWS = 60


def run_sections(
    recipe: Recipe, data: Mapping[str, Any], progress: Progress, test: Judgement, held: Judgement | None
) -> list[Section]:
    """Every section, the results first."""
    return [
        _results(recipe, data, progress, test),
        *_of_task(recipe, data, test, held),
        *_learning(recipe, progress),
        _epochs(progress),
        _recipe(recipe),
    ]


def _results(recipe: Recipe, data: Mapping[str, Any], progress: Progress, test: Judgement) -> Section:
    is_last_kept = progress.best_epoch < 0 or recipe.stop.keep == "last"
    rows = [
        (f"test {name}", percent(value, 2) if name != "loss" else text(value)) for name, value in test.figures.items()
    ]
    rows += [
        ("test loss", text(test.loss)),
        ("epochs", str(progress.epoch)),
        ("kept", "the last epoch" if is_last_kept else f"epoch {progress.best_epoch + 1}"),
        ("seconds", f"{progress.seconds:.0f}"),
        ("ended because", progress.ended),
    ]
    words = (
        str(data["about"]).capitalize() + ".",
        *data["notes"],
        *(f"Warning: {each}" for each in progress.warnings),
    )
    return Section("Results", words, tables=(Table(("figure", "value"), tuple(rows)),))


def _of_task(recipe: Recipe, data: Mapping[str, Any], test: Judgement, held: Judgement | None) -> Iterator[Section]:
    if isinstance(test.details, Scored):
        yield _classes(test.details, tuple(data["classes"]))
        yield _calibration(test.details, held.details if held is not None else None)
    elif recipe.task == "speech-recognition":
        yield _recordings(test.details)
    elif recipe.task == "reconstruction":
        before, after = (np.asarray(each, np.float32).mean(1) for each in test.details)
        picture = Picture(plots.side_by_side(before, after), "Held-out pictures, and what the code remembers of them")
        yield Section("Reconstructions", pictures=(picture,))


def _classes(scored: Scored, labels: tuple[str, ...]) -> Section:
    predicted = scored.logits.argmax(-1)
    found = by_class(scored.class_ids, predicted, labels)
    worst = sorted(found, key=lambda each: each.f1)[:_MOST_ROWS] if len(found) > _MOST_ROWS else found
    rows = tuple(
        (each.label, percent(each.precision), percent(each.recall), percent(each.f1), str(each.count))
        for each in worst
    )
    caption = "" if len(found) <= _MOST_ROWS else f"The {_MOST_ROWS} classes with the lowest F1"
    table = Table(("class", "precision", "recall", "F1", "pictures"), rows, caption)
    picture = Picture(
        plots.confusion(confusion(scored.class_ids, predicted, len(labels)), labels), "Confusion matrix"
    )
    return Section("Classes", tables=(table,), pictures=(picture,))


def _calibration(test: Scored, held: Scored | None) -> Section:
    """The temperature is fitted on the validation part; without one there is none to judge."""
    plain = probabilities(test.logits)
    if held is None:
        error = expected_calibration_error(plain, test.class_ids)
        return Section("Calibration", (f"No validation part, so no temperature; calibration error {error:.3f}.",))
    reason = why_not(held.logits, held.class_ids, "validation pictures")
    temperature = fit_temperature(held.logits, held.class_ids)
    scaled = probabilities(test.logits, temperature)
    rows = tuple(
        (
            name,
            f"{t:.3f}",
            f"{expected_calibration_error(scores, test.class_ids):.4f}",
            f"{negative_log_likelihood(test.logits, test.class_ids, t):.4f}",
        )
        for name, t, scores in (("softmax", 1.0, plain), ("with temperature", temperature, scaled))
    )
    table = Table(("scores", "temperature", "expected calibration error", "negative log-likelihood"), rows)
    picture = Picture(
        plots.reliability(reliability(plain, test.class_ids), reliability(scaled, test.class_ids)),
        "Reliability on the test part; areas are numbers of pictures",
    )
    used = "The temperature is fitted on the validation part and lies inside the exported graph."
    words = (f"The temperature is not used: {reason}." if reason else used,)
    return Section("Calibration", words, tables=(table,), pictures=(picture,))


def _recordings(heard: Sequence[Heard]) -> Section:
    """The recordings with the most errors, and how often each word was taken for another."""
    wrong = sorted((each for each in heard if each.edits.errors), key=lambda each: -each.edits.errors)
    edits = total([each.edits for each in heard])
    words = (
        f"{edits.errors} errors in {edits.reference}: {edits.substitutions} substituted, {edits.deletions} missing, "
        f"{edits.insertions} added; {len(wrong)} of {len(heard)} recordings have any.",
    )
    rows = tuple((each.name, each.said, each.heard, str(each.edits.errors)) for each in wrong[:_MOST_ROWS])
    return Section("Recordings", words, tables=(Table(("recording", "said", "heard", "errors"), rows),))


def _learning(recipe: Recipe, progress: Progress) -> Iterator[Section]:
    pictures = [Picture(plots.losses(progress.curve, progress.epochs), "Loss and learning rate")]
    pictures += [
        Picture(plots.figures(progress.epochs, name), f"{name} by epoch")
        for name in ("accuracy", "wer", "cer")
        if any(f"validation_{name}" in row or f"train_{name}" in row for row in progress.epochs)
    ]
    yield Section("Learning", pictures=tuple(pictures))
    looks = [each for each in progress.looks if each["layers"]]
    if looks:
        shown = [Picture(plots.gradients(looks), "What reaches each layer (first layer dark, last layer light)")]
        if looks[0]["dead"]:
            shown.append(Picture(plots.dead_units(looks), "Units that are silent for every example of a batch"))
        words = (f"Looked at every {recipe.health.every} steps.",)
        yield Section("Gradients", words, pictures=tuple(shown))


def _epochs(progress: Progress) -> Section:
    head = list(dict.fromkeys(key for row in progress.epochs for key in row))
    rows = tuple(tuple(text(row.get(key)) for key in head) for row in progress.epochs)
    return Section("Epochs", tables=(Table(tuple(head), rows),))


def _recipe(recipe: Recipe) -> Section:
    content = recipe.model_dump(mode="json")
    rows = [
        (f"{section}.{key}" if isinstance(value, dict) else section, text(each))
        for section, value in content.items()
        for key, each in (value.items() if isinstance(value, dict) else [(section, value)])
    ]
    return Section("Recipe", tables=(Table(("key", "value"), tuple(rows)),))
