"""A run's folder: numbers, what is taken up and what never is again, the lock, and which one a person means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from models.store import sha256_of
from tests.trainings import small_recipe
from training.errors import UsageError
from training.loop import CHECKPOINT
from training.recipe import Recipe
from training.run import RECIPE, RESULT, WEIGHTS, Run, find_finished, find_run, fingerprint, open_run

DATA = "0123abcd"


def finish(run: Run, at_ns: int | None = None) -> Run:
    """Give it a result, found then."""
    run.write(RESULT, {"test_accuracy": 0.9})
    if at_ns is not None:
        os.utime(run.folder / RESULT, ns=(at_ns, at_ns))
    return run


def test_a_new_run_is_number_one_and_knows_its_recipe(tmp_path: Path) -> None:
    recipe = small_recipe()
    run = open_run(tmp_path / "runs", recipe, DATA)
    assert run.id == f"small/{fingerprint(recipe, DATA)}-1"
    assert run.folder == tmp_path / "runs" / run.id
    assert run.recipe() == recipe
    assert not run.is_finished
    assert not run.is_begun


def test_an_unfinished_run_is_taken_up_and_a_finished_one_never_again(tmp_path: Path) -> None:
    recipe = small_recipe()
    first = open_run(tmp_path, recipe, DATA)
    (first.folder / CHECKPOINT).touch()
    assert first.is_begun
    assert open_run(tmp_path, recipe, DATA) == first
    finish(first)
    second = open_run(tmp_path, recipe, DATA)
    assert second.id == first.id[:-1] + "2"
    assert open_run(tmp_path, recipe, DATA) == second
    assert find_finished(tmp_path, recipe, DATA) == first
    finish(second)
    assert find_finished(tmp_path, recipe, DATA) == second


def test_numbers_are_counted_as_numbers(tmp_path: Path) -> None:
    recipe = small_recipe()
    for _ in range(11):
        last = finish(open_run(tmp_path, recipe, DATA))
    assert last.id.endswith("-11")
    assert find_finished(tmp_path, recipe, DATA) == last


@pytest.mark.parametrize(
    ("recipe", "data"), [(small_recipe(optimise={"rate": 0.5}), DATA), (small_recipe(), "ffffffff")]
)
def test_another_recipe_or_other_data_are_another_run(tmp_path: Path, recipe: Recipe, data: str) -> None:
    first = finish(open_run(tmp_path, small_recipe(), DATA))
    other = open_run(tmp_path, recipe, data)
    assert other.folder.name[:-2] != first.folder.name[:-2]
    assert other.id.endswith("-1")
    assert find_finished(tmp_path, recipe, data) is None


def test_folders_that_people_put_beside_a_run_do_not_matter(tmp_path: Path) -> None:
    recipe = small_recipe()
    run = finish(open_run(tmp_path, recipe, DATA))
    for name in ("-1-copy", "-old", "-"):
        (run.folder.parent / f"{fingerprint(recipe, DATA)}{name}").mkdir()
    assert open_run(tmp_path, recipe, DATA).id == run.id[:-1] + "2"


def test_a_run_that_stopped_before_its_recipe_was_written_gets_it(tmp_path: Path) -> None:
    recipe = small_recipe()
    run = open_run(tmp_path, recipe, DATA)
    (run.folder / RECIPE).unlink()
    assert open_run(tmp_path, recipe, DATA) == run
    assert run.recipe() == recipe


def test_weights_come_back_by_their_hash(tmp_path: Path) -> None:
    run = Run(tmp_path)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    network(torch.randn(4, 3))
    assert run.save_weights(network) == sha256_of(tmp_path / WEIGHTS) == run.save_weights(network)
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    loaded = run.load_weights(other).state_dict()
    assert not other.training
    assert all(torch.equal(each, loaded[name]) for name, each in network.state_dict().items())
    assert [each.name for each in tmp_path.iterdir()] == [WEIGHTS]


# Holds a run and waits to be ended.
_HOLDING = """
import sys
from pathlib import Path
from training.run import Run
with Run(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_held_by_one_process_until_that_ends(tmp_path: Path) -> None:
    run = open_run(tmp_path, small_recipe(), DATA)
    command = [sys.executable, "-c", _HOLDING, str(run.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=f"^{run.id} is being trained by another process$"), run.held():
            pytest.fail("nobody may come here")
        other.kill()
    with run.held():
        pass


def test_an_error_inside_is_not_taken_for_a_held_run(tmp_path: Path) -> None:
    run = open_run(tmp_path, small_recipe(), DATA)
    with pytest.raises(BlockingIOError), run.held():
        raise BlockingIOError
    with run.held():
        pass


def test_a_run_is_found_by_its_id_its_folder_or_its_recipe(tmp_path: Path) -> None:
    first = finish(open_run(tmp_path, small_recipe(), DATA), at_ns=2_000)
    finish(open_run(tmp_path, small_recipe(), DATA), at_ns=1_000)
    for reference in (first.id, str(first.folder), os.path.relpath(first.folder), "small"):
        assert find_run(tmp_path, reference).folder == first.folder.resolve()


def test_what_is_not_there_or_not_finished_is_told(tmp_path: Path) -> None:
    run = open_run(tmp_path, small_recipe(), DATA)
    for reference in ("small", "other", "small/00000000-1"):
        with pytest.raises(UsageError, match=f"^there is no finished run {reference} below {tmp_path}$"):
            find_run(tmp_path, reference)
    with pytest.raises(UsageError, match=f"^{run.id} is not finished: train it to its end first$"):
        find_run(tmp_path, run.id)
