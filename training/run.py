"""A run's folder, `runs/<recipe>/<fingerprint>-<number>/`: recipe, checkpoint, weights, result, report.

The fingerprint is of recipe and data. A run that has no result yet is taken up where it stopped; one that is finished
is never written again, so the same recipe on the same data begins the next number.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from models.store import sha256_of
from training.errors import Interrupted, UsageError
from training.recipe import Recipe, parse

WEIGHTS, RESULT, REPORT, HISTORY, RECIPE, DATA = (
    "weights.safetensors", "result.json", "report.html", "history.json", "recipe.json", "data.json",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One training of one recipe on one set of data."""

    folder: Path

    @property
    def id(self) -> str:
        """`<recipe>/<fingerprint>-<number>`."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def is_finished(self) -> bool:
        """Whether it has a result."""
        return (self.folder / RESULT).is_file()

    @property
    def is_begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(self.folder.glob("checkpoint.pt"))

    def recipe(self) -> Recipe:
        """The recipe as it was trained."""
        return parse(self.folder.parent.name, self.read(RECIPE))

    def read(self, name: str) -> dict[str, Any]:
        """One of its JSON files."""
        content: dict[str, Any] = json.loads((self.folder / name).read_text("utf-8"))
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """One of its JSON files, whole or not at all."""
        partial = self.folder / f"{name}.partial"
        partial.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.folder / name)

    def save_weights(self, network: nn.Module) -> str:
        """Keep the weights; gives their sha256."""
        state = {name: each.detach().cpu().contiguous() for name, each in network.state_dict().items()}
        partial = self.folder / f"{WEIGHTS}.partial"
        save_file(state, partial)
        partial.replace(self.folder / WEIGHTS)
        return sha256_of(self.folder / WEIGHTS)

    def load_weights(self, network: nn.Module) -> nn.Module:
        """Fill a network of the same shape."""
        network.load_state_dict(load_file(self.folder / WEIGHTS))
        return network.eval()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes away from it until the end, however this one ends.

        Raises:
            UsageError: another process is training it.
        """
        handle = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(f"{self.id} is being trained by another process") from error
            yield
        finally:
            os.close(handle)


def fingerprint(recipe: Recipe, data: str) -> str:
    """Eight hex digits of a recipe and its data."""
    return hashlib.sha256(f"{recipe.fingerprint} {data}".encode()).hexdigest()[:8]


def open_run(root: Path, recipe: Recipe, data: str) -> Run:
    """The unfinished run of this recipe on these data, or the next number's new folder."""
    parent, key = root / recipe.name, fingerprint(recipe, data)
    number = max(_numbers(parent, key), default=1)
    run = Run(parent / f"{key}-{number}")
    if run.is_finished:
        run = Run(parent / f"{key}-{number + 1}")
    run.folder.mkdir(parents=True, exist_ok=True)
    if not (run.folder / RECIPE).is_file():  # a run may also have stopped before it was written
        run.write(RECIPE, recipe.model_dump(mode="json", exclude={"name"}))
    return run


def find_finished(root: Path, recipe: Recipe, data: str) -> Run | None:
    """The newest finished run of this recipe on these data."""
    parent, key = root / recipe.name, fingerprint(recipe, data)
    runs = [Run(parent / f"{key}-{number}") for number in reversed(_numbers(parent, key))]
    return next((run for run in runs if run.is_finished), None)


def find_run(root: Path, reference: str) -> Run:
    """The run that a person means: its id, its folder, or a recipe's name for its newest finished run.

    Raises:
        UsageError: there is no such run, or it is not finished.
    """
    for folder in (root / reference, Path(reference)):
        if (folder / RECIPE).is_file():
            run = Run(folder.resolve())
            if not run.is_finished:
                raise UsageError(f"{run.id} is not finished: train it to its end first")
            return run
    finished = [Run(each.parent) for each in (root / reference).glob(f"*/{RESULT}")]
    if not finished:
        raise UsageError(f"there is no finished run {reference} below {root}")
    return max(finished, key=lambda run: (run.folder / RESULT).stat().st_mtime_ns)


def interrupted(run: Run) -> Interrupted:
    """What to do after Ctrl-C outside the epochs. A finished run is published: the same command would train anew."""
    if run.is_finished:
        return Interrupted(f"{run.id} is trained, and not published; this publishes it", _Publishing(run))
    if run.is_begun:
        return Interrupted(f"{run.id} has a checkpoint; the same command goes on from there")
    return Interrupted("the same command begins again")


@dataclass(frozen=True)
class _Publishing:
    """Makes arguments that publish a run of those that trained it."""

    run: Run

    def __call__(self, typed: Sequence[str]) -> list[str]:
        kept = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        kept.add_argument("--artifacts")
        kept.add_argument("--force", action="store_true")
        options, _ = kept.parse_known_args(typed)
        where = [] if options.artifacts is None else ["--artifacts", options.artifacts]
        return ["publish", str(self.run.folder), *where, *(["--force"] if options.force else [])]


def _numbers(parent: Path, key: str) -> list[int]:
    numbers = (each.name.removeprefix(f"{key}-") for each in parent.glob(f"{key}-*") if each.is_dir())
    return sorted(int(number) for number in numbers if number.isdecimal())
