"""What a report shows of a run: its figures, what the task adds, curves, warnings, the recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from training import recipe as recipes
from training.error_rate import Edits
from training.objectives.classification import Scored
from training.objectives.objective import Judgement
from training.objectives.speech import Heard
from training.progress import Progress
from training.report import Section, write
from training.run_report import run_sections

PNG = b"\x89PNG\r\n\x1a\n"
PROGRESS = Progress(
    epoch=2,
    step=20,
    seconds=3.4,
    epochs=[
        {"epoch": 1, "step": 10, "train_loss": 1.0, "rate": 0.1, "seconds": 1.0, "validation_accuracy": 0.5},
        {"epoch": 2, "step": 20, "train_loss": 0.5, "rate": 0.01, "seconds": 2.0, "validation_accuracy": 0.75},
    ],
    curve=[(0, 1.5, 0.1), (10, 0.7, 0.1)],
    warnings=["gradients of the first layer vanish"],
    best_epoch=1,
    ended="every epoch was made",
)
DATA: dict[str, Any] = {
    "about": "12 pictures of 2 classes",
    "classes": ["<cat>", "dog"],
    "notes": ["x.png was left out"],
}


def sections(name: str, test: Judgement, held: Judgement | None = None, *changes: str) -> dict[str, Section]:
    found = {each.title: each for each in run_sections(recipes.load(name, changes), DATA, PROGRESS, test, held)}
    for each in found.values():
        assert all(picture.png.startswith(PNG) for picture in each.pictures)
    return found


def values(section: Section) -> dict[str, str]:
    """A table of two columns."""
    return {row[0]: row[1] for row in section.tables[0].rows}


def scored(places: list[tuple[int, int]]) -> Judgement:
    """Of true class and class heard."""
    logits = np.array([[2.0, 0.0] if heard == 0 else [0.0, 2.0] for _, heard in places], np.float32)
    right = sum(true == heard for true, heard in places) / len(places)
    details = Scored(logits, np.array([true for true, _ in places]))
    return Judgement(0.4, {"accuracy": right}, (right, -0.4), details)


PLACES = [(0, 0)] * 3 + [(0, 1)] + [(1, 1)] * 2


def test_a_classifier() -> None:
    found = sections("digits", scored(PLACES), scored(PLACES))
    assert list(found) == ["Results", "Classes", "Calibration", "Learning", "Epochs", "Recipe"]
    figures = values(found["Results"])
    assert figures["test accuracy"] == "83.33 %"
    assert (figures["epochs"], figures["kept"], figures["ended because"]) == ("2", "epoch 2", "every epoch was made")
    last = sections("digits", scored(PLACES), None, "stop.keep=last")
    assert values(last["Results"])["kept"] == "the last epoch"
    words = " ".join(found["Results"].words)
    assert "12 pictures of 2 classes." in words
    assert "x.png was left out" in words
    assert "Warning: gradients of the first layer vanish" in words
    assert found["Classes"].tables[0].rows == (
        ("<cat>", "100.0 %", "75.0 %", "85.7 %", "4"),
        ("dog", "66.7 %", "100.0 %", "80.0 %", "2"),
    )
    rows = found["Calibration"].tables[0].rows
    assert [row[0] for row in rows] == ["softmax", "with temperature"]
    softmax = 1 / (1 + np.exp(-2))
    assert float(rows[0][2]) == pytest.approx(abs(softmax - 5 / 6), abs=1e-3)
    assert [row[0] for row in found["Epochs"].tables[0].rows] == ["1", "2"]
    recipe = values(found["Recipe"])
    assert recipe["optimise.epochs"] == "30"
    assert recipe["network.hidden"] == "256, 128"


def test_without_a_validation_part_there_is_no_temperature() -> None:
    found = sections("digits", scored(PLACES))
    assert found["Calibration"].words[0].startswith("No validation part, so no temperature; calibration error 0.0")
    assert found["Calibration"].tables == ()


def test_many_classes_show_those_with_the_lowest_f1() -> None:
    labels = [f"class {n}" for n in range(70)]
    logits = np.eye(70, dtype=np.float32)[[*range(69), 0]]
    test = Judgement(1.0, {"accuracy": 69 / 70}, (0.9,), Scored(logits, np.arange(70)))
    made = {each.title: each for each in run_sections(
        recipes.load("digits"), {**DATA, "classes": labels}, PROGRESS, test, None
    )}  # fmt: skip
    table = made["Classes"].tables[0]
    assert len(table.rows) == 60
    assert table.rows[0][0] == "class 69"
    assert table.rows[1][0] == "class 0"
    assert "60 classes with the lowest F1" in table.caption


def test_a_recogniser_of_speech() -> None:
    heard = [
        Heard("a.wav", "one two", "one two", Edits(reference=2)),
        Heard("b.wav", "one two", "two two three", Edits(1, 0, 1, 2)),
        Heard("c.wav", "six", "", Edits(0, 1, 0, 1)),
    ]
    found = sections("fsdd-ctc", Judgement(0.1, {"wer": 0.6, "accuracy": 1 / 3}, (-0.6,), heard))
    section = found["Recordings"]
    assert section.words == (
        "3 errors in 5: 1 substituted, 1 missing, 1 added; 2 of 3 recordings have any.",
    )  # fmt: skip
    assert section.tables[0].rows == (
        ("b.wav", "one two", "two two three", "2"),
        ("c.wav", "six", "", "1"),
    )
    assert values(found["Results"])["test wer"] == "60.00 %"


def test_an_autoencoder() -> None:
    pictures = [torch.rand(16, 3, 8, 8), torch.rand(16, 3, 8, 8)]
    found = sections("digits-autoencoder", Judgement(0.25, {"loss": 0.25}, (-0.25,), pictures))
    assert len(found["Reconstructions"].pictures) == 1
    assert values(found["Results"])["test loss"] == "0.25"


def test_the_page_escapes_names(tmp_path: Any) -> None:
    made = run_sections(recipes.load("digits"), DATA, PROGRESS, scored(PLACES), None)
    write(tmp_path / "report.html", "digits", "A run.", made)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;cat&gt;" in page
    assert "<cat>" not in page
    assert page.count("data:image/png;base64,") == sum(len(each.pictures) for each in made)
