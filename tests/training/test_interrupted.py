"""Ctrl-C at any moment: status 130, no traceback, and the command that goes on, which does."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.served import ROOT
from training.__main__ import main
from training.commands.export import in_turn
from training.commands.outcome import Outcome
from training.errors import Interrupted

PATIENCE_S = 240.0
LONG = ("train", "digits", "--set", "optimise.epochs=3000", "--set", "stop.patience=3000")
SHORT = ("train", "digits", "--set", "optimise.epochs=1", "--publish")


def _interrupted(folder: Path, arguments: tuple[str, ...], is_due: Callable[[int], bool]) -> tuple[int, str]:
    """Start a command, press Ctrl-C as soon as that is so of its process; its status and what it said."""
    command = [sys.executable, "-m", "training", *_where(folder, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        end = time.monotonic() + PATIENCE_S
        while process.poll() is None and not is_due(process.pid):
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in said
    return process.returncode, said


def _where(folder: Path, arguments: tuple[str, ...]) -> list[str]:
    return [*arguments, "--runs", str(folder / "runs"), "--artifacts", str(folder / "store")]


def _last_line(said: str) -> list[str]:
    return shlex.split(said.splitlines()[-1])


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="looks into /proc for what is loaded")
def test_while_libraries_load_nothing_stands(tmp_path: Path) -> None:
    def loads_torch(pid: int) -> bool:
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")

    status, said = _interrupted(tmp_path, LONG, loads_torch)
    assert status == 130
    assert "interrupted: the same command begins again" in said
    assert _last_line(said)[:4] == [sys.executable, "-m", "training", "train"]


def test_the_command_that_is_named_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    status, said = _interrupted(tmp_path, LONG, lambda _: any(tmp_path.rglob("checkpoint.pt")))
    assert status == 130
    assert "digits is in epoch" in said
    assert "the same command goes on from its last checkpoint" in said
    (run,) = (tmp_path / "runs/digits").iterdir()
    assert _last_line(said) == [sys.executable, "-m", "training", *_where(tmp_path, LONG)]
    status, said = _interrupted(tmp_path, LONG, _Changed(run / "checkpoint.pt"))
    assert status == 130
    assert f"going on with digits/{run.name}" in said


class _Changed:
    """True when a file is another than at the beginning."""

    def __init__(self, path: Path) -> None:
        self._path, self._before = path, path.stat().st_mtime_ns

    def __call__(self, _: int) -> bool:
        return self._path.stat().st_mtime_ns != self._before


def test_what_is_trained_is_published_by_the_command_that_is_named(tmp_path: Path) -> None:
    """The same command would train anew."""
    status, said = _interrupted(tmp_path, SHORT, lambda _: any(tmp_path.rglob("result.json")))
    assert status == 130
    assert "is trained, and not published" in said
    assert _last_line(said)[3] == "publish"
    done = subprocess.run(_last_line(said), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in (tmp_path / "store/digits").iterdir()] == ["1"]


def test_of_several_exports_the_rest_is_named() -> None:
    """What is published would be refused by the same command."""
    done: list[str] = []

    def exported(name: str) -> Outcome:
        if name == "b":
            raise KeyboardInterrupt
        done.append(name)
        return Outcome((), {})

    with pytest.raises(Interrupted, match="a is published; this makes the rest") as stop:
        in_turn(["a", "b", "c"], exported)
    assert done == ["a"]
    typed = ["export", "a", "b", "c", "--force", "--artifacts", "x"]
    assert stop.value.going_on(typed) == ["export", "--force", "--artifacts", "x", "b", "c"]


@pytest.mark.parametrize("environment", [{}, {"TORCHELASTIC_RUN_ID": "x", "RANK": "0"}, {"RANK": "1"}])
def test_of_several_processes_the_first_speaks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, environment: dict[str, str]
) -> None:
    class Stopping(dict[str, str]):
        """An environment that is asked for its settings when Ctrl-C is pressed."""

        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]  # all are strings here
            if key.startswith("PERCEPT_"):
                raise KeyboardInterrupt
            return super().get(key, str(default))

    assert main(["list", "--json"], Stopping(environment)) == 130
    said = capsys.readouterr().err
    if environment.get("RANK") == "1":
        assert said == ""
    else:
        assert "interrupted: the same command begins again" in said
        assert ("python -m training list --json" in said) == (environment == {})
