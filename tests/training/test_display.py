"""How a run is shown: loss, figure, speed and time left on a bar, lines where there is no terminal, or nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from tqdm import tqdm

from training.display import BAR, Display
from training.progress import Progress

PROGRESS = Progress(epoch=1, step=15, step_in_epoch=5, seconds=30.0, loss_sum=2.5, right=30, count=40)
HELD_OUT = [
    {"epoch": 1, "train_loss": 2.0, "validation_loss": 1.0, "validation_accuracy": 0.93, "validation_top5": 1.0},
    {"epoch": 2, "train_loss": 1.0, "validation_loss": 1.1, "validation_accuracy": 0.91, "validation_top5": 1.0},
]
HEARD = [{"epoch": 1, "train_loss": 2.0, "validation_loss": 1.0, "validation_cer": 0.4, "validation_accuracy": 0.1}]
ROW = {"epoch": 1, "step": 10, "train_loss": 0.123456, "validation_accuracy": 0.5}


class Bar:
    """A bar that keeps what it is given."""

    disable = False
    format_dict = {"rate": 4.0}  # noqa: RUF012 - as tqdm has it
    shown: dict[str, str]

    def set_postfix(self, shown: dict[str, str], *, refresh: bool) -> None:
        assert not refresh
        self.shown = shown


def test_beside_the_bar_stand_loss_figure_speed_and_time_left() -> None:
    bar = Bar()
    Display(3, 10, "images", is_shown=True).show(bar, PROGRESS, 8.0)
    # two seconds a step, and 15 steps are left of 30
    assert bar.shown == {"loss": "0.500", "acc": "0.750", "images/s": "32", "run left": "00:30"}


@pytest.mark.parametrize(
    ("epochs", "best", "shown"),
    [
        (HELD_OUT, 0, {"val acc": "0.910", "best": "0.930"}),
        (HEARD, 0, {"val cer": "0.400", "best": "0.400"}),
        ([{"epoch": 1, "train_loss": 2.0, "validation_loss": 1.5}], 0, {"val loss": "1.500", "best": "1.500"}),
        ([{"epoch": 1, "train_loss": 2.0}], -1, {}),  # nothing was held out
        ([], -1, {}),
    ],
)
def test_validation_figures_stand_beside_the_bar(
    epochs: list[dict[str, float]], best: int, shown: dict[str, str]
) -> None:
    bar, progress = Bar(), replace(PROGRESS, epochs=epochs, best_epoch=best)
    Display(3, 10, "images", is_shown=True).show(bar, progress, 8.0)
    held_out = {name: text for name, text in bar.shown.items() if name.startswith("val ") or name == "best"}
    assert held_out == shown
    assert list(bar.shown)[:2] == ["loss", "acc"]


def test_the_figures_fit_beside_a_bar_of_eighty_columns() -> None:
    terminal = io.StringIO()
    with tqdm(total=400, initial=5, desc="epoch 12/30", ncols=80, file=terminal, bar_format=BAR) as narrow:
        Display(30, 400, "images", is_shown=True).show(narrow, replace(PROGRESS, epochs=HELD_OUT, best_epoch=0), 8.0)
        narrow.refresh()
    drawn = terminal.getvalue().split("\r")[-2]
    assert len(drawn) <= 80
    assert "loss=0.500, acc=0.750, val acc=0.910, best=0.930" in drawn


def test_a_bar_goes_on_within_an_epoch_and_is_not_drawn_without_a_terminal() -> None:
    with Display(3, 10, "images", is_shown=True).bar(PROGRESS) as bar:
        assert bar.disable, "tests have no terminal"
    with Display(3, 10, "images", is_shown=False).bar(PROGRESS) as bar:
        assert bar.disable


def test_a_line_for_the_first_and_the_last_epoch_and_few_between(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(50, 10, "images", is_shown=True)
    for epoch in range(1, 51):
        display.epoch({**ROW, "epoch": epoch})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "epoch 1/50: step 10, train loss 0.1235, validation accuracy 0.5"
    assert lines[-1].startswith("epoch 50/50: ")
    assert len(lines) < 50


def test_nothing_is_said_where_nothing_is_to_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Display(1, 10, "images", is_shown=False).epoch(ROW)
    assert capsys.readouterr().err == ""
