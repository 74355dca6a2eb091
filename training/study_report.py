"""The page of a study: what came of each variant, and the plots that show why."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import plots
from training.report import Picture, Section, Table, percent, text, write
from training.study import Group, Study

_MOST_WORDS = 160


def report(study: Study, groups: Sequence[Group], path: Path) -> None:
    """Write the page, whole or not at all."""
    sections = [_results(study, groups), *(_growth(study, groups) if study.across else _learning(groups))]
    write(path, f"Study: {study.name}", study.about, sections)


def summary(study: Study, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """The results as plain data."""
    rows = []
    for each in groups:
        row: dict[str, Any] = {"variant": each.variant}
        if study.across is not None:
            row[study.across.name] = each.value
        rows.append(
            row
            | {
                "test_accuracy": each.mean,
                "spread": each.spread,
                "seeds": len(each.outcomes),
                "seconds": round(each.seconds, 1),
                "parameters": each.outcomes[0].parameters,
                "words": list(each.words),
            }
        )
    return rows


def figure(group: Group) -> str:
    """Mean and spread, or that it came to nothing."""
    if group.mean is None:
        return f"came to nothing ({len(group.outcomes) - len(group.figures)} of {len(group.outcomes)})"
    return percent(group.mean) + (f" ± {100 * group.spread:.1f}" if len(group.outcomes) > 1 else "")


def _results(study: Study, groups: Sequence[Group]) -> Section:
    across = () if study.across is None else (study.across.name,)
    head = ("variant", *across, "test accuracy", "weights", "seconds", "what was said")
    rows = tuple(
        (
            each.variant,
            *((text(each.value),) if study.across else ()),
            figure(each),
            f"{each.outcomes[0].parameters:,}" if each.mean is not None else "",
            f"{each.seconds:.1f}",
            "; ".join(words if len(words) < _MOST_WORDS else words[:_MOST_WORDS] + " …" for words in each.words),
        )
        for each in groups
    )
    seeds = len(study.seeds)
    words = (f"Recipe {study.recipe}; {seeds} seed{'s' if seeds > 1 else ''} of each, mean ± standard deviation.",)
    return Section("Results", words, tables=(Table(head, rows),))


def _learning(groups: Sequence[Group]) -> Iterator[Section]:
    """How each variant learns, and what reaches its layers at the beginning."""
    first = {each.variant: each.outcomes[0].history for each in groups}
    curves = {name: _curve(history) for name, history in first.items()}
    curves = {name: points for name, points in curves.items() if points}
    if curves:
        picture = Picture(plots.lines(curves, "epoch", "training accuracy", is_share=True), "Training accuracy")
        yield Section("Learning", pictures=(picture,))
    reaching = {name: _reaching(history["looks"]) for name, history in first.items()}
    reaching = {name: points for name, points in reaching.items() if len(points) > 1}
    if reaching:
        picture = Picture(
            plots.lines(reaching, "layer, first to last", "gradient by weights", is_log=True),
            "What reaches each layer in the first epoch: length of its gradient by length of its weights, median",
        )
        yield Section("Gradients", pictures=(picture,))


def _curve(history: dict[str, Any]) -> list[tuple[float, float]]:
    return [(row["epoch"], row["train_accuracy"]) for row in history["epochs"] if "train_accuracy" in row]


def _reaching(looks: Sequence[dict[str, Any]], most: int = 5) -> list[tuple[float, float]]:
    """The median over the first looks; layers that nothing reaches cannot stand on a logarithmic axis."""
    if not looks:
        return []
    names = list(looks[0]["layers"])
    medians = [statistics.median(look["layers"].get(name, 0.0) for look in looks[:most]) for name in names]
    return [(number, value) for number, value in enumerate(medians, 1) if value > 0]


def _growth(study: Study, groups: Sequence[Group]) -> Iterator[Section]:
    """How the figure goes with what goes up, and what it costs."""
    assert study.across is not None  # noqa: S101 - asked by the caller
    places = {repr(value): place for place, value in enumerate(study.across.values)}
    known = [each for each in groups if each.mean is not None]
    series: dict[str, list[tuple[Any, float, float]]] = {}
    for each in known:
        series.setdefault(each.variant, []).append((_place(each.value, places), each.mean or 0.0, each.spread))
    ticks = None if _is_numeric(study) else [text(value) for value in study.across.values]
    pictures = [Picture(plots.growth(series, study.across.name, "test accuracy", ticks), "Accuracy")]
    if len(study.variants) > 1:
        rows, columns = [each.name for each in study.variants], [text(value) for value in study.across.values]
        for title, values, form in (
            (
                "test accuracy, %",
                _table(groups, rows, places, lambda g: None if g.mean is None else 100 * g.mean),
                "{:.1f}",
            ),
            ("seconds to train", _table(groups, rows, places, lambda g: g.seconds), "{:.0f}"),
        ):
            pictures.append(Picture(plots.heat(values, rows, columns, title, form), title))
    yield Section("Growth", pictures=tuple(pictures))
    by_time = {name: [(g.seconds, g.mean) for g in known if g.variant == name and g.mean] for name in series}
    by_size = {
        name: [(g.outcomes[0].parameters, g.mean) for g in known if g.variant == name and g.mean] for name in series
    }
    yield Section(
        "Cost",
        pictures=(
            Picture(plots.scatter(by_size, "weights", "test accuracy", is_log=True), "Accuracy by size"),
            Picture(plots.scatter(by_time, "seconds to train", "test accuracy"), "Accuracy by training time"),
        ),
    )


def _is_numeric(study: Study) -> bool:
    assert study.across is not None  # noqa: S101 - asked by the caller
    return all(isinstance(value, int | float) for value in study.across.values)


def _place(value: Any, places: dict[str, int]) -> float:
    return float(value) if isinstance(value, int | float) else places[repr(value)]


def _table(groups: Sequence[Group], rows: list[str], places: dict[str, int], value: Any) -> Any:
    table = np.full((len(rows), len(places)), np.nan)
    for each in groups:
        found = value(each)
        table[rows.index(each.variant), places[repr(each.value)]] = np.nan if found is None else found
    return table
