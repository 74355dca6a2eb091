"""What a benchmark found, as JSON, as a plot and as lines."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def write(result: dict[str, Any], plot: Callable[[dict[str, Any], Path], None], folder: Path = FOLDER) -> Path:
    """Write `<benchmark>.json` and `<benchmark>.png`; gives the JSON's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['benchmark']}.json"
    machine = {"processor": _processor(), "python": platform.python_version()}
    whole = {**result, "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    plot(result, path.with_suffix(".png"))
    return path


def lines(result: dict[str, Any]) -> Iterator[str]:
    """The medians, and each one's ratio to the last contender with as many clients."""
    results = result["results"]
    peers = {each["clients"]: each for each in results}  # the last one of each number of clients is the peer
    for each in results:
        ratio = each["answers_per_s"] / peers[each["clients"]]["answers_per_s"]
        yield (
            f"{each['clients']:2} clients  {each['name']:20} {each['answers_per_s']:7.1f} answers/s  ×{ratio:.2f}   "
            f"p50 {each['p50_ms']:6.1f} ms  p99 {each['p99_ms']:6.1f} ms"
        )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "")


def plot(result: dict[str, Any], path: Path) -> None:
    """Answers per second by contender and number of clients."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    results = result["results"]
    counts = sorted({each["clients"] for each in results})
    figure, axes = pyplot.subplots(1, len(counts), figsize=(4.5 * len(counts), 3.2), squeeze=False)
    for axis, count in zip(axes[0], counts, strict=True):
        rows = [each for each in results if each["clients"] == count][::-1]
        bars = axis.barh([each["name"] for each in rows], [each["answers_per_s"] for each in rows], color="#3a6ea5")
        axis.bar_label(bars, fmt="%.0f", padding=3)
        axis.set_title(f"{count} client{'s' if count > 1 else ''}")
        axis.set_xlabel("answers per second (median)")
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
