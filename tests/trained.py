"""What the commands train for tests, once for all of them: scikit-learn's digits, and three spoken vowels."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.store import Store
from service.settings import read_settings
from service.speech.opening import VOICE
from tests import spoken
from training.__main__ import main
from training.run import Run, find_run

VOWELS = """
task = "speech-recognition"
licence = "none"
limits = "Knows three vowels."

[data]
source = "recordings"
units = "characters"
validation = 0.12
split_by = "content"

[network]
kind = "ctc"
mels = 24
channels = [24, 32]
context = "attention"
width = 24
layers = 1
heads = 2
dropout = 0.0

[loss]
kind = "ctc"

[optimise]
rate = 0.01
schedule = "one-cycle"
warmup = 0.2
epochs = 12
batch = 8
clip_norm = 5.0
"""
DIGITS_EPOCHS = "optimise.epochs=5"


@dataclass(frozen=True)
class Workshop:
    """Folders of trainings, and the command line on them."""

    root: Path

    @property
    def store(self) -> Store:
        """Where models are published."""
        return Store(self.root / "store")

    @property
    def cache(self) -> Path:
        """Where data are kept decoded."""
        return self.root / "cache"

    @property
    def runs(self) -> Path:
        """Where trainings are kept."""
        return self.root / "runs"

    @property
    def data(self) -> Path:
        """Recordings, where there are any."""
        return self.root / "data"

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """Status, output and errors of `python -m training`."""
        out, err = io.StringIO(), io.StringIO()
        places = ("--runs", str(self.runs), "--artifacts", str(self.store.root))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*arguments, *places], {"PERCEPT_CACHE": str(self.cache)})
        return status, out.getvalue(), err.getvalue()

    def outcome(self, *arguments: str) -> dict[str, Any]:
        """The object that a command prints which must succeed."""
        status, out, err = self.command(*arguments, "--json")
        assert status == 0, err
        fields: dict[str, Any] = json.loads(out.splitlines()[-1])
        return fields

    def run(self, reference: str) -> Run:
        """A finished run."""
        return find_run(self.runs, reference)

    def copied(self, root: Path) -> Workshop:
        """Another, to be changed."""
        return Workshop(Path(shutil.copytree(self.root, root)))


def digits(root: Path) -> Workshop:
    """Digits trained for some epochs, and published."""
    workshop = Workshop(root)
    workshop.outcome("train", "digits", "--set", DIGITS_EPOCHS, "--publish")
    return workshop


def vowels(root: Path) -> Workshop | None:
    """A recogniser trained and published; None where its store lacks the voice detector that it needs."""
    source = read_settings().artifacts / VOICE
    if not source.is_dir():
        return None
    workshop = Workshop(root)
    shutil.copytree(source, workshop.store.root / VOICE)
    spoken.write_corpus(workshop.data, test=80)  # fewer could not show that int8 loses nothing
    (root / "vowels.toml").write_text(VOWELS, encoding="utf-8")
    workshop.outcome("train", str(root / "vowels.toml"), "--data", str(workshop.data), "--publish")
    return workshop
