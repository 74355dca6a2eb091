"""How a run is shown while it goes on: a bar on a terminal, a line for some epochs where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from training.progress import Progress

_LINE_EVERY_S = 5.0
BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"  # what matters most fits into 80 columns


class Display:
    """Of one run of so many epochs and steps; shows nothing unless `is_shown`."""

    def __init__(self, epochs: int, steps_per_epoch: int, unit: str, *, is_shown: bool) -> None:
        """`unit` is what amounts of data are counted in."""
        self._epochs, self._steps, self._unit, self._is_shown = epochs, steps_per_epoch, unit, is_shown
        self._said_at = time.monotonic()

    def bar(self, progress: Progress) -> Any:
        """tqdm's, over the steps of the epoch that progress stands in; it is drawn on terminals alone."""
        return tqdm(
            total=self._steps,
            initial=progress.step_in_epoch,
            unit="step",
            desc=f"epoch {progress.epoch + 1}/{self._epochs}",
            bar_format=BAR,
            leave=False,
            disable=None if self._is_shown else True,
        )

    def show(self, bar: Any, progress: Progress, amount: float) -> None:
        """Loss, figures, time left, and data a second of a step that took `amount` of it, beside the bar."""
        if bar.disable:
            return
        shown = {"loss": f"{progress.loss_sum / progress.step_in_epoch:.3f}"}
        if progress.right:
            shown["acc"] = f"{progress.right / progress.count:.3f}"
        shown |= _held_out(progress)
        left = (self._epochs - progress.epoch) * self._steps - progress.step_in_epoch
        if progress.step:
            shown["run left"] = tqdm.format_interval(progress.seconds / progress.step * left)
        if bar.format_dict["rate"]:
            shown[f"{self._unit}/s"] = f"{amount * bar.format_dict['rate']:.0f}"
        bar.set_postfix(shown, refresh=False)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A line on a finished epoch for logs where no bar can be drawn, not more often than people read."""
        if not self._is_shown or sys.stderr.isatty():
            return
        now = time.monotonic()
        if now - self._said_at < _LINE_EVERY_S and row["epoch"] not in {1, self._epochs}:
            return
        self._said_at = now
        shown = {name.replace("_", " "): f"{value:.4g}" for name, value in row.items() if name != "epoch"}
        words = ", ".join(f"{name} {value}" for name, value in shown.items())
        print(f"epoch {row['epoch']}/{self._epochs}: {words}", file=sys.stderr, flush=True)


def _held_out(progress: Progress) -> dict[str, str]:
    """The figure that is steered by, of the last epoch and of the best one so far; empty before there is any."""
    if not progress.epochs or progress.best_epoch < 0:
        return {}
    last, best = progress.epochs[-1], progress.epochs[progress.best_epoch]
    names = [name for name in last if name.startswith("validation_") and name != "validation_loss"]
    key = names[0] if names else "validation_loss"
    short = key.removeprefix("validation_").replace("accuracy", "acc")
    return {f"val {short}": f"{last[key]:.3f}", "best": f"{best[key]:.3f}"}
