"""The training loop: steps, schedules, a running mean of the weights, looks at gradients, checkpoints, early stop.

Everything that decides the next step is in the checkpoint, and everything random is seeded by its place, so a run
that was killed goes on to the same numbers (to the bit on a CPU with as many threads). The loop knows no task: that
is the objective's.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training import checkpoint
from training.display import Display
from training.distributed import World
from training.errors import CheckpointError, DivergedError, Interrupted, RecipeError
from training.gradients import Judge, Look, Watch
from training.losses import l1_penalty
from training.objectives.objective import Judgement, Key, Objective, generator
from training.optimise import build_optimiser, build_schedule, regularised
from training.progress import Progress
from training.recipe import Recipe

CHECKPOINT = "checkpoint.pt"
_MOST_POINTS = 600  # of the loss curve
_STEP, _SAMPLE = 1, 2  # streams of random numbers
_SCHEMA = 1


@dataclass(frozen=True)
class Runtime:
    """How a run is carried out; none of it changes what comes out (workers, checkpoints)."""

    world: World
    folder: Path | None = None
    """Where checkpoints go; None keeps none."""
    workers: int = 0
    """Processes that prepare examples; 0 prepares them in this one."""
    is_shown: bool = True
    """Whether progress is drawn on a terminal."""
    checkpoint_every_s: float = 60.0
    """Least time between two checkpoints within an epoch; there is one at the end of each in any case."""


class _Examples(Dataset[Any]):
    """The objective's examples for torch's loader."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def __getitem__(self, key: Key) -> Any:
        return self._objective.example(key)


class Trainer:
    """One run of one recipe.

    Raises:
        RecipeError: the batch cannot be divided among processes and parts.
    """

    def __init__(self, recipe: Recipe, objective: Objective, runtime: Runtime) -> None:
        self.recipe, self.objective, self.runtime = recipe, objective, runtime
        self.world, section = runtime.world, recipe.optimise
        if min(section.batch, len(objective.order(0))) % (section.accumulate * self.world.size):
            raise RecipeError(
                f"recipe {recipe.name}: a batch must divide evenly into optimise.accumulate parts for each process"
            )
        self.network = objective.network.to(self.world.device)
        self.progress = Progress()
        self.mean: AveragedModel | None = None
        if section.ema:
            average = get_ema_multi_avg_fn(section.ema)  # type: ignore[no-untyped-call]  # torch's own
            self.mean = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        self.optimiser = build_optimiser(self.network, section)
        self.schedule = build_schedule(self.optimiser, section, self.steps_per_epoch * section.epochs)
        self.scaler = torch.amp.GradScaler(enabled=self._precision() is torch.float16)
        self.watch, self.health = Watch(self.network), Judge()
        self._best: dict[str, Any] | None = None
        self._saved_at = time.monotonic()
        is_shown = runtime.is_shown and self.world.is_first
        self.display = Display(section.epochs, self.steps_per_epoch, objective.unit, is_shown=is_shown)
        forward: nn.Module = self.network
        if section.compile:
            forward = torch.compile(forward)  # type: ignore[assignment]  # a module in all but its type
        self.forward = self.world.wrapped(forward)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches; where there are fewer examples than a batch, one step on all of them."""
        return max(1, len(self.objective.order(0)) // self.recipe.optimise.batch)

    def run(self) -> nn.Module:
        """Train to the end, from the checkpoint where there is one; gives the network that is kept.

        Raises:
            DivergedError: the loss is no number any more, or gradients are bad and the recipe says to stop.
            CheckpointError: the checkpoint is of another recipe, or cannot be read or written.
            Interrupted: Ctrl-C; the last checkpoint stands.
        """
        self._restore()
        begun_at = time.monotonic() - self.progress.seconds
        try:
            while not self.progress.is_finished:
                self._epoch(begun_at)
                self.progress.seconds = time.monotonic() - begun_at
                self._end_epoch()
                self._save()
        except KeyboardInterrupt as stop:
            raise Interrupted(self._standing()) from stop
        return self.kept()

    def _standing(self) -> str:
        where = f"{self.recipe.name} is in epoch {self.progress.epoch + 1} of {self.recipe.optimise.epochs}"
        if self.runtime.folder is None or not (self.runtime.folder / CHECKPOINT).is_file():
            return f"{where}, before its first checkpoint; the same command begins it again"
        return f"{where}; the same command goes on from its last checkpoint"

    def kept(self) -> nn.Module:
        """The network of the best validation epoch; of the last if the recipe says so, or nothing was held out."""
        chosen = copy.deepcopy(self.judged())
        if self._best is not None:
            chosen.load_state_dict(self._best)
        return chosen.eval()

    def judged(self) -> nn.Module:
        """The network as it would be kept now: the running mean where there is one."""
        return self.network if self.mean is None else self.mean.module

    def _epoch(self, begun_at: float) -> None:
        progress, accumulate = self.progress, self.recipe.optimise.accumulate
        self.objective.begin_training(progress.epoch)
        batches = iter(self._loader())
        with self.display.bar(progress) as bar:
            while progress.step_in_epoch < self.steps_per_epoch:
                parts = [next(batches) for _ in range(accumulate)]
                amount = self._step(parts)
                progress.seconds = time.monotonic() - begun_at
                bar.update()
                self.display.show(bar, progress, amount * self.world.size)
                if time.monotonic() - self._saved_at > self.runtime.checkpoint_every_s:
                    self._save()

    def _loader(self) -> Iterator[Any]:
        """The batches of this epoch that are still to come, this process's share of each."""
        section, progress = self.recipe.optimise, self.progress
        order = list(self.objective.order(progress.epoch))
        batch = min(section.batch, len(order))
        part = batch // section.accumulate
        keys: list[list[Key]] = []
        for step in range(progress.step_in_epoch, self.steps_per_epoch):
            chosen = [(progress.epoch, index) for index in order[step * batch : (step + 1) * batch]]
            keys += [self.world.share(chosen[i * part : (i + 1) * part]) for i in range(section.accumulate)]
        loader: DataLoader[Any] = DataLoader(
            _Examples(self.objective),
            batch_sampler=keys,
            collate_fn=self.objective.collate,
            num_workers=self.runtime.workers,
        )
        return iter(loader)

    def _step(self, parts: list[Any]) -> float:
        """One update of the weights; gives the amount of data that went into it."""
        progress, section = self.progress, self.recipe.optimise
        is_looked = progress.step % self.recipe.health.every == 0
        seed = generator(self.recipe.seed, _STEP, progress.step, self.world.rank).integers(2**62)
        torch.manual_seed(int(seed))  # dropout
        self.optimiser.zero_grad()
        amount, loss_sum = 0.0, 0.0
        with self.watch.looking() if is_looked else nullcontext():
            for number, batch in enumerate(parts):
                rng = generator(self.recipe.seed, _SAMPLE, progress.step, number, self.world.rank)
                with self._autocast():
                    result = self.objective.step(self.forward, batch, rng, self.world.device)
                    loss = result.loss / len(parts)
                    if self.recipe.loss.l1:
                        loss = loss + self.recipe.loss.l1 * l1_penalty(regularised(self.network)) / len(parts)
                self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's own
                loss_sum += float(result.loss.detach()) / len(parts)
                progress.right += result.right
                progress.count += result.count
                amount += result.amount
        loss_sum = float(self.world.mean(torch.tensor(loss_sum, device=self.world.device)))
        self._refuse_nan(loss_sum)
        self.scaler.unscale_(self.optimiser)
        if is_looked:
            self._look()
        if section.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), section.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        progress.rate = float(self.schedule.get_last_lr()[0])
        self.schedule.step()
        if self.mean is not None:
            self.mean.update_parameters(self.network)
        progress.loss_sum += loss_sum
        self._note_curve(loss_sum)
        progress.step += 1
        progress.step_in_epoch += 1
        return amount

    def _precision(self) -> torch.dtype | None:
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        return kinds.get(self.recipe.optimise.precision) if self.world.device.type == "cuda" else None

    def _autocast(self) -> Any:
        dtype = self._precision()
        return nullcontext() if dtype is None else torch.autocast(self.world.device.type, dtype)

    def _refuse_nan(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is no number any more at step {self.progress.step} (epoch {self.progress.epoch + 1}): "
                "lower optimise.rate, set optimise.clip_norm (1 is usual), or choose another start.initialiser"
            )

    def _look(self) -> None:
        look: Look = self.watch.look(self.progress.step)
        if self.scaler.is_enabled() and not math.isfinite(look.norm):
            return  # too large for fp16: the scaler leaves this step out and scales less from here on
        self.progress.looks.append(look.as_json())
        trouble = self.recipe.health.trouble
        for words in self.health.words(look) if trouble != "ignore" else []:
            self.progress.warnings.append(words)
            if trouble == "stop":
                raise DivergedError(f"training was stopped: {words}")
            if self.world.is_first and self.runtime.is_shown:
                tqdm.write(f"warning: {words}")

    def _note_curve(self, loss: float) -> None:
        every = max(1, self.steps_per_epoch * self.recipe.optimise.epochs // _MOST_POINTS)
        if self.progress.step % every == 0:
            self.progress.curve.append((self.progress.step, loss, self.progress.rate))

    def _end_epoch(self) -> None:
        progress, section = self.progress, self.recipe.optimise
        row: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "train_loss": progress.loss_sum / max(1, progress.step_in_epoch),
            "rate": progress.rate,
            "seconds": round(progress.seconds, 2),
        }
        if progress.count and self.recipe.task == "image-classification":
            share = torch.tensor(progress.right / progress.count, dtype=torch.float64, device=self.world.device)
            row["train_accuracy"] = float(self.world.mean(share))
        if self.objective.has_validation:
            self._validate(row)
        progress.epochs.append(row)
        self.display.epoch(row)
        progress.epoch += 1
        progress.step_in_epoch, progress.loss_sum, progress.right, progress.count = 0, 0.0, 0.0, 0
        patience = self.recipe.stop.patience
        target = self.recipe.stop.target
        if progress.epoch >= section.epochs:
            progress.is_finished, progress.ended = True, "every epoch was made"
        elif patience is not None and progress.epoch - 1 - progress.best_epoch >= patience:
            progress.is_finished = True
            progress.ended = f"no better validation figure for {patience} epochs"
        elif target is not None and row.get("train_accuracy", 0.0) >= target:
            progress.is_finished, progress.ended = True, f"training accuracy reached {target:g}"

    def _validate(self, row: dict[str, Any]) -> None:
        judgement: Judgement = self.objective.judge(self.judged(), "validation", self.world.device)
        score = self.world.of_first(judgement.score)  # batch norms' statistics differ between processes
        row["validation_loss"] = judgement.loss
        row |= {f"validation_{name}": value for name, value in judgement.figures.items()}
        if score > self.progress.best_score:
            self.progress.best_score, self.progress.best_epoch = score, self.progress.epoch
            if self.recipe.stop.keep == "best":
                self._best = {name: each.detach().clone() for name, each in self.judged().state_dict().items()}

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if self.runtime.folder is None or not self.world.is_first:
            return
        state = {
            "schema": _SCHEMA,
            "fingerprint": self.recipe.fingerprint,
            "network": self.network.state_dict(),
            "mean": None if self.mean is None else self.mean.state_dict(),
            "best": self._best,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "health": self.health.state(),
            "progress": vars(self.progress),
            "threads": torch.get_num_threads(),
        }
        checkpoint.save(self.runtime.folder / CHECKPOINT, state)

    def _restore(self) -> None:
        state = None if self.runtime.folder is None else checkpoint.load(self.runtime.folder / CHECKPOINT)
        if state is None:
            return
        if (state.get("schema"), state.get("fingerprint")) != (_SCHEMA, self.recipe.fingerprint):
            raise CheckpointError(f"the checkpoint in {self.runtime.folder} is of another recipe")
        self.network.load_state_dict(state["network"])
        if self.mean is not None:
            self.mean.load_state_dict(state["mean"])
        self._best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.health.restore(state["health"])
        self.progress = Progress(**state["progress"])
        if state["threads"] != torch.get_num_threads() and self.world.is_first and self.runtime.is_shown:
            tqdm.write("note: other threads than before, so the last digits may differ from an undisturbed run")
