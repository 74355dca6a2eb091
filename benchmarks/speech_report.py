"""What the speech benchmark found, as lines and as a plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Everything, the ratios and differences above all."""
    for each in result["accuracy"]:
        yield from _accuracy_lines(each)
    for each in result["speed"]:
        ours, theirs = each["seconds"]["percept"], each["seconds"][result["peer"]]
        yield (
            f"30 s of {each['language']}, beam {each['beam_size']}: percept {ours:.2f} s, {result['peer']} "
            f"{theirs:.2f} s, {each['ratio']:.2f} times as fast"
        )
        yield from (f"    {name}: {text.strip()}" for name, text in each["texts"].items())
    found = result["beside_a_long_recording"]
    yield (
        f"{found['recording_s']:.0f} s of speech in {found['seconds']:.1f} s; meanwhile health p50 "
        f"{found['health_p50_ms']:.1f} ms, p99 {found['health_p99_ms']:.1f} ms; photos p50 "
        f"{found['photo_p50_ms']:.0f} ms, at most {found['photo_max_ms']:.0f} ms"
    )


def _accuracy_lines(each: dict[str, Any]) -> Iterator[str]:
    for setting in each["settings"]:
        low, high = setting["interval"]
        prompt = f", prompt {setting['prompt']}" if setting["prompt"] else ""
        yield (
            f"{each['group']:20} {setting['name']:26} {each['measure'].upper()} {setting['rate']:6.2%} "
            f"[{low:.1%}, {high:.1%}] over {each['clips']} clips of {each['speakers']} speakers{prompt}"
        )
    for found in each["differences"]:
        low, high = found["interval"]
        prompt = f", prompt {found['prompt']}" if found["prompt"] else ""
        yield f"{'':20} percept less the peer: {found['difference']:+.2%} [{low:+.2%}, {high:+.2%}]{prompt}"


def plot(result: dict[str, Any], path: Path) -> None:
    """Error rates and seconds, side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.8))
    rates = [
        (f"{each['group']}{', prompt' if s['prompt'] else ''}\n{s['name']}", 100 * s["rate"], s["name"])
        for each in result["accuracy"]
        for s in each["settings"]
    ]
    _bars(left, rates, "WER or CER in %, lower is better", "%.1f")
    seconds = [
        (f"{each['language']}, beam {each['beam_size']}\n{name}", taken, name)
        for each in result["speed"]
        for name, taken in each["seconds"].items()
    ]
    _bars(right, seconds, "seconds for 30 s of speech (median), lower is better", "%.2f")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _bars(axis: Any, rows: list[tuple[str, float, str]], label: str, form: str) -> None:
    colours = ["#3a6ea5" if name == "percept" else "#b0b7c0" for *_, name in rows][::-1]
    bars = axis.barh([text for text, *_ in rows][::-1], [value for _, value, _ in rows][::-1], color=colours)
    axis.bar_label(bars, fmt=form, padding=3, fontsize=8)
    axis.tick_params(axis="y", labelsize=7)
    axis.set_xlabel(label)
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)
