"""The learning-rate finder on a real network: below the edge, above nothing, and the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training import find_rate as rates
from training import recipe as recipes
from training.distributed import joined
from training.errors import DivergedError
from training.find_rate import RateSearch
from training.preparation import prepare


def _found(cache: Path) -> RateSearch:
    recipe = recipes.load("digits", ["network.hidden=[32]", "network.norm=none"])
    with joined("cpu") as world:
        return rates.find_rate(recipe, prepare(recipe, None, cache).objective, world, steps=80)


def test_the_rate_lies_where_the_loss_falls_and_below_where_it_gives_out(tmp_path: Path) -> None:
    found = _found(tmp_path)
    assert rates.LOWEST < found.suggested < found.highest < rates.HIGHEST
    assert 1e-4 < found.suggested < 0.3, "AdamW on a small network"
    assert len(found.rates) == len(found.losses) <= 80
    place = int(np.argmin(np.abs(np.array(found.rates) - found.suggested)))
    assert found.losses[place] < found.losses[0], "the loss has begun to fall there"


def test_it_finds_the_same_again(tmp_path: Path) -> None:
    assert _found(tmp_path) == _found(tmp_path)


def test_a_loss_that_gives_out_at_once_is_said(tmp_path: Path) -> None:
    recipe = recipes.load("digits", ["start.gain=1e18", "network.norm=none", "network.hidden=[64,64,64]"])
    with joined("cpu") as world, pytest.raises(DivergedError, match=r"choose another start\.initialiser"):
        rates.find_rate(recipe, prepare(recipe, None, tmp_path).objective, world, steps=20)


def test_the_page_says_what_to_take(tmp_path: Path) -> None:
    rates.report(recipes.load("digits"), _found(tmp_path), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "suggested: the steepest fall" in page
    assert "data:image/png;base64," in page
