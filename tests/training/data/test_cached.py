"""A folder of the cache is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data.cached import cached
from training.errors import DataError


def test_it_is_filled_once(tmp_path: Path) -> None:
    filled: list[Path] = []

    def fill(folder: Path) -> None:
        filled.append(folder)
        (folder / "content").write_text("whole")

    for _ in range(2):
        folder = cached(tmp_path / "deep" / "key", fill)
        assert (folder / "content").read_text() == "whole"
    assert len(filled) == 1
    assert [each.name for each in folder.parent.iterdir()] == ["key"]


def test_what_was_half_filled_is_never_there(tmp_path: Path) -> None:
    def break_down(folder: Path) -> None:
        (folder / "content").write_text("ha")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        cached(tmp_path / "key", break_down)
    assert list(tmp_path.iterdir()) == []


def test_a_faster_process_wins(tmp_path: Path) -> None:
    def be_overtaken(folder: Path) -> None:
        (folder / "content").write_text("ours")
        (tmp_path / "key").mkdir()
        (tmp_path / "key" / "content").write_text("theirs")

    assert (cached(tmp_path / "key", be_overtaken) / "content").read_text() == "theirs"
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_without_room_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1000000000\.0 GB are needed in .* GB free"):
        cached(tmp_path / "key", lambda _: pytest.fail("it was begun"), needed_bytes=10**18)
    assert list(tmp_path.iterdir()) == []
