"""Plots of training, as PNG: curves, gradients, confusion, reliability, studies.

Only here and in `training.fonts` is matplotlib known.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from training import fonts
from training.calibration import Bin
from training.notices import Notice

Png = bytes
_BLUE, _ORANGE, _GREY = "#3a6ea5", "#d9822b", "#b0b7c0"
_WIDTH, _HEIGHT = 7.2, 3.4
_DPI = 110
_MOST_NAMED = 30  # classes beyond that get no names along the axes


def _png(draw: Callable[[Axes], None], width: float = _WIDTH, height: float = _HEIGHT) -> Png:
    png, is_whole = _drawn(draw, width, height, fonts.families())
    if not is_whole:
        png, is_whole = _drawn(draw, width, height, fonts.found_anew())
    if not is_whole:
        warnings.warn(
            "no installed font has every character of the labels, so plots show boxes in their place; "
            "for Chinese install one, such as Debian's fonts-noto-cjk",
            Notice,
            stacklevel=2,
        )
    return png


def _drawn(draw: Callable[[Axes], None], width: float, height: float, families: list[str]) -> tuple[Png, bool]:
    """The plot with these fonts, and whether they had every character."""
    with rc_context({"font.family": families}), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = Figure(figsize=(width, height), layout="constrained")
        axis = figure.subplots()
        draw(axis)
        axis.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI)
    others = [each for each in caught if "missing from font" not in str(each.message)]
    for each in others:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return buffer.getvalue(), len(others) == len(caught)


def losses(curve: Sequence[tuple[int, float, float]], epochs: Sequence[Mapping[str, Any]]) -> Png:
    """Loss of the steps and of the validation part, and the rate behind them."""

    def draw(axis: Axes) -> None:
        steps = [step for step, *_ in curve]
        axis.plot(steps, [loss for _, loss, _ in curve], color=_GREY, linewidth=0.8, label="steps")
        axis.plot(
            [e["step"] for e in epochs], [e["train_loss"] for e in epochs], color=_BLUE, label="epochs, training"
        )
        held = [(e["step"], e["validation_loss"]) for e in epochs if "validation_loss" in e]
        if held:
            axis.plot(*zip(*held, strict=True), color=_ORANGE, label="epochs, validation")
        axis.set_xlabel("step")
        axis.set_ylabel("loss")
        finite = [loss for _, loss, _ in curve if np.isfinite(loss)]
        if finite and min(finite) > 0 and max(finite) > 20 * min(finite):
            axis.set_yscale("log")
        rates = axis.twinx()
        rates.plot(steps, [rate for *_, rate in curve], color="green", linewidth=0.8, alpha=0.5)
        rates.set_ylabel("learning rate (green)")
        rates.spines[["top"]].set_visible(False)
        axis.legend(frameon=False)

    return _png(draw)


def figures(epochs: Sequence[Mapping[str, Any]], name: str) -> Png:
    """One figure, a fraction, over the epochs: training and validation where they were taken."""

    def draw(axis: Axes) -> None:
        for part, colour in (("train", _BLUE), ("validation", _ORANGE)):
            rows = [(e["epoch"], e[f"{part}_{name}"]) for e in epochs if f"{part}_{name}" in e]
            if rows:
                axis.plot(*zip(*rows, strict=True), color=colour, marker="o", markersize=3, label=part)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylabel(name)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.legend(frameon=False)

    return _png(draw)


def gradients(looks: Sequence[Mapping[str, Any]]) -> Png:
    """What reaches each layer, over the steps: one line a layer, first to last from dark to light."""

    def draw(axis: Axes) -> None:
        names = list(looks[0]["layers"])
        colours = colormaps["viridis"](np.linspace(0, 0.9, len(names)))
        for name, colour in zip(names, colours, strict=True):
            axis.plot(
                [look["step"] for look in looks],
                [max(look["layers"].get(name, 0.0), 1e-30) for look in looks],
                color=colour,
                linewidth=1,
                label=name if name in (names[0], names[-1]) else None,
            )
        axis.set_yscale("log")
        axis.set_xlabel("step")
        axis.set_ylabel("|gradient| / |weights|")
        axis.legend(frameon=False, fontsize=8)

    return _png(draw)


def dead_units(looks: Sequence[Mapping[str, Any]]) -> Png:
    """Fraction of each layer's units that pass nothing on, over the steps."""

    def draw(axis: Axes) -> None:
        names = list(looks[0]["dead"])
        colours = colormaps["viridis"](np.linspace(0, 0.9, max(1, len(names))))
        for name, colour in zip(names, colours, strict=True):
            shares = [look["dead"].get(name, 0.0) for look in looks]
            axis.plot([look["step"] for look in looks], shares, color=colour, linewidth=1)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("step")
        axis.set_ylabel("dead units (first layer dark)")
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))

    return _png(draw)


def confusion(counts: NDArray[np.int64], labels: Sequence[str]) -> Png:
    """Rows are true classes, columns what they were taken for; each row sums to one."""

    def draw(axis: Axes) -> None:
        shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.set_xlabel("taken for")
        axis.set_ylabel("is")
        if len(labels) > _MOST_NAMED:
            return
        axis.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(labels)), labels, fontsize=8)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axis.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)

    side = 4.2 + 0.14 * min(len(labels), _MOST_NAMED)
    return _png(draw, side, side)


def reliability(before: Sequence[Bin], after: Sequence[Bin]) -> Png:
    """Accuracy against score, as the softmax has it and with the temperature."""

    def draw(axis: Axes) -> None:
        axis.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="as it should be")
        for bins, colour, name in ((before, _GREY, "softmax"), (after, _BLUE, "with temperature")):
            sizes = [10 + 90 * each.count / max(b.count for b in bins) for each in bins]
            axis.plot([b.score for b in bins], [b.accuracy for b in bins], color=colour, linewidth=1, label=name)
            axis.scatter([b.score for b in bins], [b.accuracy for b in bins], s=sizes, color=colour)
        axis.set_xlabel("score of the best class")
        axis.set_ylabel("fraction that is right")
        axis.legend(frameon=False)

    return _png(draw, 4.6, 4.2)


def side_by_side(before: NDArray[np.float32], after: NDArray[np.float32]) -> Png:
    """Pictures `[n, H, W]` above what became of them."""

    def draw(axis: Axes) -> None:
        low, high = float(before.min()), float(before.max())
        framed = (
            np.pad(each.clip(low, high), ((0, 0), (1, 1), (1, 1)), constant_values=high) for each in (before, after)
        )
        rows = [np.concatenate(list(each), axis=1) for each in framed]
        axis.imshow(np.concatenate(rows, axis=0), cmap="gray")
        axis.set_axis_off()

    return _png(draw, _WIDTH, 1.4)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    x: str,
    y: str,
    *,
    is_log: bool = False,
    is_share: bool = False,
) -> Png:
    """Named curves over one axis."""

    def draw(axis: Axes) -> None:
        colours = colormaps["tab10"](np.arange(len(series)) % 10)
        for number, ((name, points), colour) in enumerate(zip(series.items(), colours, strict=True)):
            style = ("-", "--")[number % 2]  # a curve that lies under another is still to be seen
            drawn = axis.plot(*zip(*points, strict=True), label=name, color=colour, linestyle=style, linewidth=1.3)
            drawn[0].set(marker=".", markersize=4)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        if is_log:
            axis.set_yscale("log")
        if is_share:
            axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.legend(frameon=False, fontsize=8)

    return _png(draw, _WIDTH, 4.0)


def heat(values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], title: str, form: str) -> Png:
    """A table of figures as colours: `rows` down, `columns` across; NaN stays white."""

    def draw(axis: Axes) -> None:
        axis.imshow(values, cmap="viridis", aspect="auto")
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), rows)
        axis.set_title(title, fontsize=10)
        middle = np.nanmean(values)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value < middle else "black"
                axis.text(column, row, form.format(value), ha="center", va="center", color=colour, fontsize=9)

    return _png(draw, 1.6 + 1.0 * len(columns), 1.2 + 0.55 * len(rows))


def bars(values: Mapping[str, float], x: str) -> Png:
    """Named figures, one bar each, first on top."""

    def draw(axis: Axes) -> None:
        drawn = axis.barh(list(values)[::-1], list(values.values())[::-1], color=_BLUE)
        axis.bar_label(drawn, fmt="%.3g", padding=3, fontsize=8)
        axis.set_xlabel(x)
        axis.margins(x=0.15)

    return _png(draw, _WIDTH, 0.9 + 0.32 * len(values))


def rate_search(rates: Sequence[float], losses_: Sequence[float], suggested: float) -> Png:
    """Loss against a learning rate that rises, and the one to take."""

    def draw(axis: Axes) -> None:
        axis.plot(rates, losses_, color=_BLUE)
        axis.axvline(suggested, color=_ORANGE, linestyle="--", label=f"steepest fall: {suggested:g}")
        axis.set_xscale("log")
        axis.set_xlabel("learning rate")
        axis.set_ylabel("loss, smoothed")
        axis.legend(frameon=False)

    return _png(draw)


def scatter(
    series: Mapping[str, Sequence[tuple[float, float]]],
    x: str,
    y: str,
    *,
    is_log: bool = False,
    is_share: bool = True,
) -> Png:
    """Points by name."""

    def draw(axis: Axes) -> None:
        for name, points in series.items():
            across, up = zip(*points, strict=True)
            axis.scatter(across, up, s=22, alpha=0.75, label=name)
        if is_log:
            axis.set_xscale("log")
        if is_share:
            axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        if len(series) > 1:
            axis.legend(frameon=False, fontsize=8, ncols=2)

    return _png(draw)


def growth(
    series: Mapping[str, Sequence[tuple[float, float, float]]], x: str, y: str, ticks: Sequence[str] | None
) -> Png:
    """Fractions with their spread over something that goes up; numbers on a logarithmic axis, else named ticks."""

    def draw(axis: Axes) -> None:
        for name, points in series.items():
            places, values, spreads = zip(*points, strict=True)
            axis.errorbar(places, values, spreads, label=name, marker="o", markersize=4, capsize=3, linewidth=1.3)
        if ticks is None:
            every = sorted({place for points in series.values() for place, *_ in points})
            axis.set_xscale("log")
            axis.set_xticks(every, [f"{place:g}" for place in every])
            axis.minorticks_off()
        else:
            axis.set_xticks(range(len(ticks)), ticks)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        axis.legend(frameon=False, fontsize=8)

    return _png(draw, _WIDTH, 4.0)


def strips(values: Mapping[str, Sequence[float]], x: str) -> Png:
    """Fractions by name, a row of points each and a line at the median; first on top."""

    def draw(axis: Axes) -> None:
        names = list(values)[::-1]
        for row, name in enumerate(names):
            if values[name]:
                axis.scatter(values[name], [row] * len(values[name]), s=22, alpha=0.6, color=_BLUE)
                axis.scatter([float(np.median(values[name]))], [row], marker="|", s=300, color=_ORANGE)
        axis.set_yticks(range(len(names)), names)
        axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axis.set_xlabel(x)

    return _png(draw, _WIDTH, 1.1 + 0.34 * len(values))
