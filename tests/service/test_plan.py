"""Processors that may be used, and what is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.plan import plan_images, usable_processors


@pytest.mark.parametrize(("quota", "at_most"), [("100000 100000", 1), ("150000 100000", 2), ("1000 100000", 1)])
def test_the_quota_of_the_container_counts(tmp_path: Path, quota: str, at_most: int) -> None:
    (tmp_path / "cpu.max").write_text(quota, "ascii")
    assert 1 <= usable_processors(tmp_path / "cpu.max") <= at_most


@pytest.mark.parametrize("quota", ["max 100000", "nonsense", ""])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, quota: str) -> None:
    (tmp_path / "cpu.max").write_text(quota, "ascii")
    assert usable_processors(tmp_path / "cpu.max") == usable_processors(tmp_path / "none")


def test_one_lane_a_processor() -> None:
    plan = plan_images(4, "cpu", None, None)
    assert (plan.lanes, plan.threads, plan.max_batch) == (4, 1, 1)
    assert "4 processors" in plan.reason


def test_wider_runs_leave_fewer_lanes() -> None:
    assert plan_images(4, "cpu", None, 2).lanes == 2
    assert plan_images(1, "cpu", None, 2).lanes == 1


def test_a_part_of_a_processor_counts_as_one(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000", "ascii")
    assert usable_processors(tmp_path / "cpu.max") == min(2, usable_processors(tmp_path / "none"))


def test_the_operators_wishes_stand() -> None:
    plan = plan_images(4, "cuda", 3, 2)
    assert (plan.lanes, plan.threads) == (3, 2)
    assert plan.reason == "set by the operator; runs on cuda"
