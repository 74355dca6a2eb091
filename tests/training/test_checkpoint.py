"""A checkpoint is whole or not there, whatever happens while it is written; a damaged one is not used."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training import checkpoint
from training.errors import CheckpointError

STATE = {"weights": torch.arange(100.0), "plain": {"list": [1, (2.5, None)], "words": "ä"}, "is_done": False}
DAMAGED = r"^the checkpoint .*c\.pt cannot be read; delete it to begin anew$"


def is_state(found: dict[str, object] | None) -> bool:
    """Whether nothing of it is lost."""
    assert found is not None
    weights = found["weights"]
    assert isinstance(weights, torch.Tensor)
    return torch.equal(weights, STATE["weights"]) and all(found[key] == STATE[key] for key in ("plain", "is_done"))  # type: ignore[arg-type]  # values are of several kinds


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    assert checkpoint.load(path) is None
    checkpoint.save(path, {"weights": torch.zeros(1)})
    checkpoint.save(path, STATE)
    assert is_state(checkpoint.load(path))
    assert [each.name for each in tmp_path.iterdir()] == ["c.pt"]


def test_half_a_file_beside_it_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save(path, STATE)
    (tmp_path / "c.pt.partial").write_bytes(path.read_bytes()[:500])
    assert is_state(checkpoint.load(path))
    checkpoint.save(path, STATE)
    assert is_state(checkpoint.load(path))


# Saves states that hold nothing but their own number, and says each number once it is saved.
_SAVING = """
import sys, torch
from pathlib import Path
from training import checkpoint
for number in range(1_000_000):
    checkpoint.save(Path(sys.argv[1]), {"number": number, "weights": torch.full((200_000,), float(number))})
    print(number, flush=True)
"""


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    with subprocess.Popen([sys.executable, "-c", _SAVING, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(random.randint(2, 6))]
        process.send_signal(signal.SIGKILL)
    state = checkpoint.load(path)
    assert state is not None
    assert state["number"] >= int(said[-1])
    assert torch.equal(state["weights"], torch.full((200_000,), float(state["number"])))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file may grow longer, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save(path, STATE)
    with (
        files_of_at_most(4000),
        pytest.raises(CheckpointError, match=r"^the checkpoint .*c\.pt cannot be written: File too large$"),
    ):
        checkpoint.save(path, {"weights": torch.zeros(100_000)})
    assert is_state(checkpoint.load(path))


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written: No such file or directory"):
        checkpoint.save(tmp_path / "gone" / "c.pt", STATE)


@given(st.data())
def test_a_damaged_file_is_refused_or_what_it_was(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "c.pt"
    checkpoint.save(path, STATE)
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        del raw[place:]
    else:
        raw[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        assert is_state(checkpoint.load(path))
    except CheckpointError as error:
        assert str(error).endswith("cannot be read; delete it to begin anew")


@given(st.binary(max_size=300))
def test_any_other_file_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("other") / "c.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=DAMAGED):
        checkpoint.load(path)


def test_a_whole_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save(torch.zeros(3), path)
    with pytest.raises(CheckpointError, match=DAMAGED):
        checkpoint.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("words.txt", "no checkpoint")
    with pytest.raises(CheckpointError, match=DAMAGED):
        checkpoint.load(path)


class _Command:
    def __init__(self, words: str) -> None:
        self.words = words

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (self.words,)


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"state": _Command(f"touch {tmp_path / 'executed'}")}, path)
    with pytest.raises(CheckpointError, match=DAMAGED):
        checkpoint.load(path)
    assert not (tmp_path / "executed").exists()
