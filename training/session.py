"""One training from beginning to end: data, network, loop, judgement, report; a run that stopped is taken up.

Commands, studies and sweeps all come through here. Under `torchrun` every process comes, and the first one writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.allocator import keep_freed_memory
from training.calibration import expected_calibration_error, fit_temperature, probabilities
from training.cross_validation import why_not
from training.distributed import World, joined
from training.errors import Interrupted
from training.lineage import Finder, Lineage
from training.loop import CHECKPOINT, Runtime, Trainer
from training.objectives.classification import Scored
from training.objectives.objective import Judgement
from training.preparation import Prepared, prepare
from training.progress import Progress
from training.recipe import Recipe
from training.report import write
from training.run import DATA, HISTORY, REPORT, RESULT, Run, find_finished, interrupted, open_run
from training.run_report import run_sections

Say = Callable[[str], None]
_SMALL = 200_000  # weights
_CONVOLVED = (nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True)
class Surroundings:
    """Where data, downloads and runs are, and how training is carried out here."""

    runs: Path
    cache: Path
    data: Path | None = None
    device: str | None = None
    workers: int = 0
    is_shown: bool = True
    is_reported: bool = True
    """Whether each run gets its page; studies and sweeps have one for all."""
    say: Say = print
    """Told what a person wants to know while it goes on."""


def train(recipe: Recipe, around: Surroundings) -> Run:
    """Train the recipe to its end, or go on with the run that stopped; gives the finished run.

    Raises:
        TrainingError: whatever a person can mend (see `training.errors`).
        Interrupted: Ctrl-C, with how to go on.
    """
    began_at = time.monotonic()
    run: Run | None = None
    try:
        with joined(around.device) as world:
            if not world.is_first:
                around = replace(around, is_shown=False, say=lambda _: None)
            prepared = prepare(recipe, around.data, around.cache)
            Lineage(
                recipe, prepared, around.data, around.cache, world.device, _finder(around), around.say
            ).take_over()
            run = _opened(recipe, prepared, around, world)
            with run.held() if world.is_first else nullcontext():
                _announce(recipe, prepared, run, around)
                _Session(recipe, prepared, run, around, world).train(began_at)
    except KeyboardInterrupt as stop:
        if run is None or isinstance(stop, Interrupted):
            raise
        raise interrupted(run) from stop
    return run


def _finder(around: Surroundings) -> Finder:
    def find(recipe: Recipe, data: str) -> Run:
        run = find_finished(around.runs, recipe, data)
        if run is None:
            around.say(f"{recipe.name} was never trained on these data, so it comes first")
            run = train(recipe, around)
        return run

    return find


def _opened(recipe: Recipe, prepared: Prepared, around: Surroundings, world: World) -> Run:
    """The first process decides which run it is, the others hear of it."""
    found = world.of_first(open_run(around.runs, recipe, prepared.fingerprint) if world.is_first else None)
    assert found is not None  # noqa: S101 - the first process has opened it
    return found


def _announce(recipe: Recipe, prepared: Prepared, run: Run, around: Surroundings) -> None:
    cost = recipe.cost
    around.say(
        f"{recipe.name}: about {cost.minutes:g} minutes on {cost.hardware}, {cost.memory_gb:g} GB of memory; "
        f"{'going on with' if run.is_begun else 'run'} {run.id}"
    )
    around.say(prepared.about)
    for note in prepared.notes[:10]:
        around.say(f"note: {note}")
    if len(prepared.notes) > 10:
        around.say(f"note: and {len(prepared.notes) - 10} more, listed in the report")


@dataclass(frozen=True)
class _Session:
    """One process's part in a run."""

    recipe: Recipe
    prepared: Prepared
    run: Run
    around: Surroundings
    world: World

    def train(self, began_at: float) -> None:
        """Loop, judge, and write what was found, the result last."""
        objective, device = self.prepared.objective, self.world.device
        runtime = Runtime(self.world, self.run.folder, self.around.workers, self.around.is_shown)
        prepared_s = time.monotonic() - began_at
        if device.type == "cpu":
            keep_freed_memory()
        with _threads(objective.network, device):
            trainer = Trainer(self.recipe, objective, runtime)
            kept = trainer.run()
        self._conclude(trainer.progress, kept, prepared_s)

    def _conclude(self, progress: Progress, kept: nn.Module, prepared_s: float) -> None:
        """Judge what was kept, and write what was found, the result last."""
        objective, device = self.prepared.objective, self.world.device
        trained_at = time.monotonic()
        test = objective.judge(kept, "test", device)
        held = objective.judge(kept, "validation", device) if objective.has_validation else None
        if self.world.is_first:
            self._report(progress, test, held)
            seconds = prepared_s + progress.seconds + (time.monotonic() - trained_at)
            result = _result(self.run, kept, progress, seconds)
            self.run.write(RESULT, {**result, **_judged(test, held)})
            (self.run.folder / CHECKPOINT).unlink(missing_ok=True)
        self.world.wait()

    def _report(self, progress: Progress, test: Judgement, held: Judgement | None) -> None:
        data = _data(self.prepared, self.around)
        self.run.write(DATA, data)
        self.run.write(HISTORY, {**vars(progress), "fingerprint": self.recipe.fingerprint})
        if not self.around.is_reported:
            return
        title, lead = f"{self.recipe.name}: {_first_figure(test)}", f"{self.recipe.about} Run {self.run.id}."
        write(self.run.folder / REPORT, title, lead, run_sections(self.recipe, data, progress, test, held))


@contextmanager
def _threads(network: nn.Module, device: torch.device) -> Iterator[None]:
    """One thread for a small network on the CPU: handing its layers to several takes longer than computing them."""
    before = torch.get_num_threads()
    weights = sum(each.numel() for each in network.parameters())
    is_convolved = any(isinstance(each, _CONVOLVED) for each in network.modules())
    if device.type == "cpu" and weights < _SMALL and not is_convolved:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _first_figure(test: Judgement) -> str:
    name, value = next(iter(test.figures.items()))
    return f"test {name} {value:.4g}" if name == "loss" else f"test {name} {100 * value:.2f} %"


def _data(prepared: Prepared, around: Surroundings) -> dict[str, Any]:
    return {
        "path": None if around.data is None else str(around.data.resolve()),
        "fingerprint": prepared.fingerprint,
        "about": prepared.about,
        "classes": list(prepared.classes),
        "notes": list(prepared.notes),
    }


def _result(run: Run, kept: nn.Module, progress: Progress, seconds: float) -> dict[str, Any]:
    return {
        "run": run.id,
        "seconds": round(seconds, 1),
        "epochs": progress.epoch,
        "ended": progress.ended,
        "warnings": progress.warnings,
        "parameters": sum(each.numel() for each in kept.parameters()),
        "weights_sha256": run.save_weights(kept),
    }


def _judged(test: Judgement, held: Judgement | None) -> Mapping[str, Any]:
    found: dict[str, Any] = {f"test_{name}": value for name, value in test.figures.items()}
    found |= {"test_loss": test.loss}
    if held is not None:
        found |= {f"validation_{name}": value for name, value in held.figures.items()}
    if isinstance(test.details, Scored) and held is not None:
        logits, class_ids = held.details.logits, held.details.class_ids
        reason = why_not(logits, class_ids, "validation pictures")
        temperature = 1.0 if reason else fit_temperature(logits, class_ids)
        scores = probabilities(test.details.logits, temperature)
        found |= {"temperature": temperature, "uncalibrated": reason}
        found |= {"test_ece": expected_calibration_error(scores, test.details.class_ids)}
    return found
