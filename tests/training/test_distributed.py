"""Two processes learn as one does on the same batches, and one of them speaks for both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training.distributed import World, is_first_process, joined
from training.recipe import load
from training.run import HISTORY, RESULT, Run
from training.session import Surroundings, train

# Four epochs of 20 steps and 20 more: a hundred; neither batch norm nor dropout, each batch in two parts.
PLAIN = (
    "network.norm=none", "network.dropout=0", "optimise.epochs=5", "optimise.accumulate=2", "stop.patience=5",
)  # fmt: skip


def finished(runs: Path) -> Run:
    """The only run there is."""
    (folder,) = (runs / "digits").iterdir()
    return Run(folder)


def said_by_two(runs: Path) -> str:
    """What two processes that train the same write to stdout; they are ended with the test, however that ends."""
    overrides = [word for each in PLAIN for word in ("--set", each)]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "training", "train", "digits", *overrides, "--device", "cpu", "--json", "--runs", str(runs),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            out, errors = process.communicate()
        finally:
            process.terminate()  # it ends the two before itself
    assert process.returncode == 0, errors
    return out


def test_two_processes_follow_the_curve_of_one(tmp_path: Path) -> None:
    alone = train(
        load("digits", PLAIN),
        Surroundings(tmp_path / "one", tmp_path, device="cpu", is_shown=False, say=lambda _: None),
    )
    (spoken,) = said_by_two(tmp_path / "two").splitlines()  # one object, of the first process
    together = finished(tmp_path / "two")
    assert json.loads(spoken)["run"] == together.id == alone.id
    one, two = (np.array(run.read(HISTORY)["curve"]) for run in (alone, together))
    assert len(one) == len(two) == 100
    np.testing.assert_allclose(two, one, rtol=1e-4)
    assert together.read(RESULT)["test_accuracy"] == pytest.approx(alone.read(RESULT)["test_accuracy"], abs=0.01)
    seen, also_seen = ([row["train_accuracy"] for row in run.read(HISTORY)["epochs"]] for run in (alone, together))
    np.testing.assert_allclose(also_seen, seen, atol=0.002)


@given(size=st.integers(1, 5), part=st.integers(0, 6))
def test_shares_are_equal_and_make_up_the_batch(size: int, part: int) -> None:
    batch = list(range(size * part))
    shares = [World(rank, size).share(batch) for rank in range(size)]
    assert [len(each) for each in shares] == [part] * size
    assert [each for share in shares for each in share] == batch


def test_alone_nothing_is_sent() -> None:
    world = World()
    network = nn.Linear(1, 1)
    assert world.is_first
    assert world.wrapped(network) is network
    assert float(world.mean(torch.tensor(3.0))) == 3
    assert world.of_first("x") == "x"
    world.wait()


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_first_process()
    with joined("cpu") as world:
        assert world == World()
        assert not torch.distributed.is_initialized()


def test_a_training_inside_another_one_shares_its_world(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    with joined("cpu") as world:
        with joined("cpu") as inner:
            assert inner == world
        assert torch.distributed.is_initialized()
        world.wait()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(("rank", "is_first"), [("0", True), ("1", False)])
def test_the_first_process_is_known(monkeypatch: pytest.MonkeyPatch, rank: str, is_first: bool) -> None:
    monkeypatch.setenv("RANK", rank)
    assert is_first_process() is is_first
