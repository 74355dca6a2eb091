"""The page of a sweep: the best values, what mattered, and every trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training import plots
from training.report import Picture, Section, Table, percent, text, write
from training.sweep import Between, Found, Sweep, Trial


def report(sweep: Sweep, found: Found, path: Path) -> None:
    """Write the page, whole or not at all."""
    sections = [_best(sweep, found), _mattering(found), _values(sweep, found), _trials(sweep, found)]
    title = f"Sweep: {sweep.name}, {percent(found.best.figure or 0.0)} on validation"
    write(path, title, sweep.about, sections)


def _best(sweep: Sweep, found: Found) -> Section:
    rows = [(key, text(found.best.values[key])) for key in sweep.space]
    rows += [("validation accuracy", percent(found.best.figure or 0.0))]
    rows += [(name.replace("_", " "), text(value)) for name, value in found.test.items()]
    failed = sum(each.figure is None for each in found.trials)
    words = (
        f"Recipe {sweep.recipe}, {len(found.trials)} trials, {failed} of them came to nothing; the best is "
        f"{found.run}.",
        "Chosen on the validation part; the test part judges the chosen one alone.",
    )
    return Section("Best", words, tables=(Table(("value", "best"), tuple(rows)),))


def _mattering(found: Found) -> Section:
    best, points = 0.0, list[tuple[float, float]]()
    for number, trial in enumerate(found.trials, 1):
        best = max(best, trial.figure or 0.0)
        points.append((number, best))
    each = [(number, trial.figure) for number, trial in enumerate(found.trials, 1) if trial.figure is not None]
    pictures = [
        Picture(
            plots.lines({"best so far": points, "each trial": each}, "trial", "validation accuracy", is_share=True),
            "Trials",
        )
    ]
    if found.importances:
        pictures.insert(
            0, Picture(plots.bars(found.importances, "share of the variance explained (fANOVA)"), "What mattered")
        )
    return Section("What mattered", pictures=tuple(pictures))


def _values(sweep: Sweep, found: Found) -> Section:
    """Each value against the figure."""
    return Section("Values", pictures=tuple(_slices(sweep, found)))


def _slices(sweep: Sweep, found: Found) -> Iterator[Picture]:
    known = [each for each in found.trials if each.figure is not None]
    for key, space in sweep.space.items():
        if isinstance(space, Between):
            points = [(each.values[key], each.figure or 0.0) for each in known]
            yield Picture(plots.scatter({key: points}, key, "validation accuracy", is_log=space.log), key)
        else:
            yield Picture(plots.strips(_by_value(known, key, space.choices), "validation accuracy"), key)


def _by_value(trials: list[Trial], key: str, choices: tuple[Any, ...]) -> dict[str, list[float]]:
    return {
        text(choice): [each.figure for each in trials if each.values[key] == choice and each.figure is not None]
        for choice in choices
    }


def _trials(sweep: Sweep, found: Found) -> Section:
    ordered = sorted(found.trials, key=lambda each: -1.0 if each.figure is None else each.figure, reverse=True)
    head = ("trial", "validation accuracy", "seconds", "weights", *sweep.space, "what was said")
    rows = tuple(
        (
            str(each.number),
            "came to nothing" if each.figure is None else percent(each.figure),
            f"{each.seconds:.0f}",
            f"{each.parameters:,}" if each.parameters else "",
            *(text(each.values[key]) for key in sweep.space),
            each.words,
        )
        for each in ordered
    )
    return Section("Trials", tables=(Table(head, rows),))
