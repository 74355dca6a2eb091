"""The command line: one sentence and status 2 for what a person can mend, one object for programs."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import artifacts
from training.__main__ import main


def run(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command over an empty store."""
    status = main([*arguments, "--artifacts", str(root)], {})
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_environment_names_the_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    artifacts.publish(tmp_path / "store")
    environment = {"PERCEPT_DATA": str(tmp_path / "nowhere"), "PERCEPT_ARTIFACTS": str(tmp_path / "store")}
    assert main(["evaluate", "image", "--model", "brightness"], environment) == 2
    assert f"there is no {tmp_path / 'nowhere'}" in capsys.readouterr().err


def test_nothing_is_trained_on_what_the_environment_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    environment = {"PERCEPT_DATA": str(tmp_path), "PERCEPT_RUNS": str(tmp_path / "runs")}
    assert main(["train", "cifar10-cnn"], environment) == 2
    assert "name their folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("study", "scaling"), ("sweep", "digits"), ("find-rate", "digits")])
def test_what_one_process_makes_is_refused_to_several(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, _, err = run(capsys, tmp_path, *arguments, "--runs", str(tmp_path / "runs"))
    assert (status, err.startswith("error: "), "start them without torchrun" in err) == (2, True, True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_disk_or_a_closed_folder_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/full/runs")

    monkeypatch.setattr(Path, "mkdir", full)
    assert main(["train", "digits", "--runs", "/full/runs", "--artifacts", str(tmp_path)], {}) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: /full/runs cannot be written: {os.strerror(number)}"


def test_other_errors_of_the_system_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "/x")

    monkeypatch.setattr(Path, "mkdir", broken)
    with pytest.raises(OSError, match="Input/output"):
        main(["train", "digits", "--runs", "/x", "--artifacts", str(tmp_path)], {})


def test_commands_that_do_not_train_load_nothing_that_training_needs() -> None:
    code = "import sys, training.command_line; print(*sorted({'matplotlib', 'optuna', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == ""


def test_list_shows_what_can_be_exported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = run(capsys, tmp_path, "list", "--json")
    assert status == 0
    listed = {each["name"]: each for each in json.loads(out.splitlines()[-1])["models"]}
    assert listed["efficientnet-lite0"] == {"name": "efficientnet-lite0", "is_exportable": True, "versions": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "resnet-50"), "cannot be exported from published weights"),
        (("export", "efficientnet-lite0", "--weights", "/nowhere/w.pt"), "there is no file"),
        (("export", "efficientnet-lite0", "--weights", "hub:x"), "hub:ORG/NAME"),
        (("evaluate", "image", "--data", "."), "efficientnet-lite0"),
        (("evaluate", "image", "--model", "no-such", "--data", "."), "no-such"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    status, out, err = run(capsys, tmp_path, *arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert len(err.strip().splitlines()) == 1
    assert words in err
    assert not out
