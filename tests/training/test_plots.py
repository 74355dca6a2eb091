"""Plots are pictures that show their data: other data, another picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from training import plots
from training.calibration import Bin

EPOCHS = [
    {"epoch": 1, "step": 5, "train_loss": 2.0, "train_accuracy": 0.2, "validation_loss": 2.1},
    {"epoch": 2, "step": 10, "train_loss": 1.0, "train_accuracy": 0.6, "validation_loss": 1.2},
]
BARE = [{"epoch": 1, "step": 5, "train_loss": 2.0}]


def looks(share: float) -> list[dict[str, object]]:
    return [
        {"step": step, "layers": {"first": share, "second": 0.0, "third": 1.0}, "dead": {"relu": share, "other": 0.0}}
        for step in (0, 20, 40)
    ]


def grey(level: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.linspace(0, level, 3 * 8 * 8, dtype=np.float32).reshape(3, 8, 8)


DRAWINGS: dict[str, Callable[[float], bytes]] = {
    "losses": lambda x: plots.losses([(0, 2.0, 0.1), (1, x, 0.1), (2, 0.5, 0.05)], EPOCHS),
    "losses without validation": lambda x: plots.losses([(0, x, 0.1), (1, 0.3, 0.1)], BARE),
    "losses over decades": lambda x: plots.losses([(0, 900.0, 0.1), (1, x, 0.1)], EPOCHS),
    "losses that are no numbers": lambda x: plots.losses([(0, x, 0.1), (1, float("nan"), 0.1)], EPOCHS),
    "figures": lambda x: plots.figures([*EPOCHS, {"epoch": 3, "validation_accuracy": x}], "accuracy"),
    "gradients": lambda x: plots.gradients(looks(x)),
    "dead units": lambda x: plots.dead_units(looks(x)),
    "confusion": lambda x: plots.confusion(np.array([[round(9 * x), 1], [0, 0]]), ("cat", "dog")),
    "confusion of many": lambda x: plots.confusion(
        np.diag([round(9 * x)] + [1] * 39) + np.eye(40, k=1, dtype=int), [str(each) for each in range(40)]
    ),
    "reliability": lambda x: plots.reliability([Bin(0.9, x, 4), Bin(0.5, 0.5, 1)], [Bin(0.7, x, 5)]),
    "side by side": lambda x: plots.side_by_side(grey(1.0), grey(x)[::-1]),
    "lines": lambda x: plots.lines({"a": [(0, x), (1, 0.5)], "b": [(0, 0.2)]}, "step", "share", is_share=True),
    "lines over decades": lambda x: plots.lines({"a": [(0, x), (1, 1e-6)]}, "step", "loss", is_log=True),
    "heat": lambda x: plots.heat(np.array([[x, np.nan], [0.3, 0.2]]), "ab", "cd", "title", "{:.1f}"),
    "rate search": lambda x: plots.rate_search([1e-4, 1e-3, 1e-2], [2.0, x, 3.0], 1e-3),
    "scatter": lambda x: plots.scatter({"a": [(0.01, x)], "b": [(0.1, 0.3)]}, "rate", "accuracy", is_log=True),
    "growth": lambda x: plots.growth({"a": [(100, x, 0.02), (200, 0.4, 0.01)]}, "pictures", "accuracy", None),
    "growth of named steps": lambda x: plots.growth({"a": [(0, x, 0.0), (1, 0.4, 0.1)]}, "size", "wer", ("s", "m")),
    "strips": lambda x: plots.strips({"one": [x, 0.4], "none": []}, "accuracy"),
    "bars": lambda x: plots.bars({"one": x, "two": 0.4}, "accuracy"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_plot_is_a_picture_of_its_data(name: str) -> None:
    first, second = (DRAWINGS[name](each) for each in (0.9, 0.1))
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 100
        assert len(image.convert("RGB").getcolors(10**6) or ()) > 2
    assert first != second


def test_classes_are_named_along_the_axes_while_there_is_room() -> None:
    counts = np.eye(3, dtype=np.int64)
    assert plots.confusion(counts, ("a", "b", "c")) != plots.confusion(counts, ("x", "y", "z"))
    many = np.eye(40, dtype=np.int64)
    assert plots.confusion(many, ["a"] * 40) == plots.confusion(many, ["x"] * 40)
