"""`train` and `publish` as people use them: one object, lines, and a sentence for each mistake."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.spoken import spoken, write_wav
from tests.trained import VOWELS, Workshop
from tests.training.data.test_images import write_classes
from training import recipe as recipes
from training.__main__ import main
from training.preparation import prepare
from training.run import open_run

PICTURES = """
task = "image-classification"
[data]
size_px = 8
[network]
kind = "mlp"
hidden = [8]
[optimise]
epochs = 2
batch = 8
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "animals.toml").write_text(PICTURES)
    (tmp_path / "vowels.toml").write_text(VOWELS)
    return Workshop(tmp_path)


def refused(workshop: Workshop, *arguments: str) -> str:
    """The one sentence that a command ends with."""
    status, out, err = workshop.command(*arguments)
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert "Traceback" not in err
    return lines[-1]


def _one_class(data: Path) -> None:
    write_classes(data, 30, ("cat",))


def _three_images(data: Path) -> None:
    write_classes(data, 1)
    write_classes(data, 1, ("emu",), first=7000)


def _no_transcripts(data: Path) -> None:
    for number in range(25):
        write_wav(data / f"{number}.wav", spoken("ah", 100 + number))


def _nothing(data: Path) -> None:
    data.mkdir()


@pytest.mark.parametrize(
    ("recipe", "make", "words"),
    [
        ("animals", lambda data: None, "there is no folder, CSV or tar"),
        ("animals", _nothing, "holds no pictures"),
        ("animals", _one_class, "holds only the class cat: at least two are needed"),
        ("animals", _three_images, "holds only 3 pictures to learn from: 20 are needed"),
        ("vowels", lambda data: None, "there is no folder, table or tar"),
        ("vowels", _no_transcripts, "holds recordings and no transcripts: put a .txt beside each"),
    ],
)
def test_data_that_cannot_be_learnt_from(
    workshop: Workshop, recipe: str, make: Callable[[Path], None], words: str
) -> None:
    make(workshop.data)
    assert words in refused(workshop, "train", str(workshop.root / f"{recipe}.toml"), "--data", str(workshop.data))
    assert not workshop.runs.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "cifar10-cnn"), "name their folder, CSV or tar with --data"),
        (("train", "fsdd-ctc"), "name their folder or table with --data"),
        (("train", "no-such-recipe"), "there is no recipe no-such-recipe; those of the package are cifar10-cnn"),
        (("train", "digits", "--set", "optimise.epoch=3"), "recipe digits: optimise.epoch: there is no such key"),
        (("train", "digits", "--set", "optimise.epochs=none"), "recipe digits: optimise.epochs: "),
        (("train", "digits", "--set", "epochs"), "is not of the form section.key=value"),
        (("publish", "digits"), "there is no finished run digits below"),
        (("publish", "digits/0badc0de-1"), "there is no finished run digits/0badc0de-1 below"),
    ],
)
def test_what_a_person_can_mend(workshop: Workshop, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(workshop, *arguments)


def test_a_run_that_another_process_holds_and_one_that_is_not_finished(workshop: Workshop) -> None:
    recipe = recipes.load("digits", ["optimise.epochs=1"])
    run = open_run(workshop.runs, recipe, prepare(recipe, None, workshop.cache).fingerprint)
    with run.held():
        words = refused(workshop, "train", "digits", "--set", "optimise.epochs=1")
    assert words == f"error: {run.id} is being trained by another process"
    assert refused(workshop, "publish", run.id) == f"error: {run.id} is not finished: train it to its end first"


@pytest.mark.parametrize("text", ["-1", "two", ""])
def test_workers_are_a_number(workshop: Workshop, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "digits", "--workers", text], {})
    assert caught.value.code == 2
    assert "is no number of processes" in capsys.readouterr().err


def test_pictures_of_ones_own_from_the_folder_to_the_report(workshop: Workshop) -> None:
    write_classes(workshop.data)
    (workshop.data / "dog" / "broken.png").write_bytes(b"broken")
    recipe = str(workshop.root / "animals.toml")
    found = workshop.outcome("train", recipe, "--data", str(workshop.data))
    assert found.keys() >= {"run", "seconds", "test_accuracy", "validation_accuracy", "report", "warnings"}
    assert 0 <= found["test_accuracy"] <= 1
    assert found["run"].startswith("animals/")
    page = Path(found["report"]).read_text("utf-8")
    assert found["run"] in page
    assert "broken.png was left out" in page
    status, out, err = workshop.command("train", recipe, "--data", str(workshop.data), "--set", "seed=2")
    assert status == 0
    assert "finished in" in out.splitlines()[0]
    assert any(line.startswith("  test accuracy: ") for line in out.splitlines())
    assert "note: " in err
    assert "broken.png was left out: it cannot be read as a picture" in err


@pytest.mark.xdist_group("trained")
def test_a_run_as_good_as_before_is_published_by_its_folder(digits_workshop: Workshop, tmp_path: Path) -> None:
    copy = digits_workshop.copied(tmp_path / "copy")
    status, out, _ = copy.command("publish", str(copy.run("digits").folder))
    assert status == 0
    assert out.startswith("digits@2 published: ")
    assert "  fp32: " in out
    assert "  int8: " in out


def test_a_run_is_published_as_the_next_version_of_another_recipes_model(
    digits_workshop: Workshop, tmp_path: Path
) -> None:
    copy = digits_workshop.copied(tmp_path / "copy")
    hasty = copy.outcome("train", "digits", "--set", "optimise.epochs=4", "--set", "network.hidden=[4]")
    shutil.copytree(copy.runs / "digits", copy.runs / "numerals")
    status, out, _ = copy.command("publish", str(copy.run("digits").folder), "--name", "handwriting")
    assert (status, out.splitlines()[0][:25]) == (0, "handwriting@1 published: ")
    good = copy.runs / "numerals" / digits_workshop.run("digits").folder.name
    assert copy.outcome("publish", str(good), "--name", "digits")["version"] == "2"
    told = copy.store.find("digits").manifest.provenance.source
    assert told.endswith(f", recipe numerals, run numerals/{good.name}")
    worse = copy.runs / "numerals" / Path(str(hasty["run"])).name
    assert "digits is not published: it is right on" in refused(copy, "publish", str(worse), "--name", "digits")
    assert "recipe No Name: name: " in refused(copy, "publish", str(good), "--name", "No Name")


def test_percept_data_is_for_measuring_and_not_for_training(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command has its own default, though all share the options."""
    environment = {"PERCEPT_DATA": "/nowhere", "PERCEPT_ARTIFACTS": str(workshop.root)}
    main(["evaluate", "speech"], environment)
    assert "give --data" not in capsys.readouterr().err
    assert main(["train", str(workshop.root / "animals.toml")], environment) == 2
    assert "with --data" in capsys.readouterr().err
