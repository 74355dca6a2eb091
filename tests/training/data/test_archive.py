"""Tars are unpacked once, below the cache, and nothing gets out of there."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from training.data.archive import unpacked
from training.errors import DataError


def write_tar(path: Path, *names: str, mode: str = "w", content: bytes = b"content") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]  # a mode of text
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_what_is_no_tar_comes_back_as_it_is(tmp_path: Path) -> None:
    table = tmp_path / "said.csv"
    table.write_text("path,label\n")
    assert unpacked(tmp_path, tmp_path / "cache") == tmp_path
    assert unpacked(table, tmp_path / "cache") == table
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_it_is_unpacked_below_the_cache(tmp_path: Path, mode: str) -> None:
    folder = unpacked(write_tar(tmp_path / "a.tar", "cat/1.png", "dog/1.png", mode=mode), tmp_path / "cache")
    assert folder.is_relative_to(tmp_path / "cache")
    assert {each.relative_to(folder).as_posix() for each in folder.rglob("*.png")} == {"cat/1.png", "dog/1.png"}


def test_a_folder_around_everything_is_stepped_into(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", "photos/cat/1.png", "photos/dog/1.png", "._photos", ".DS_Store")
    assert unpacked(tar, tmp_path / "cache").name == "photos"
    parts = write_tar(tmp_path / "b.tar", "train/cat/1.png", "train/dog/1.png")
    assert (unpacked(parts, tmp_path / "cache") / "train").is_dir()


def test_it_is_unpacked_once_and_anew_where_it_changed(tmp_path: Path) -> None:
    tar, cache = write_tar(tmp_path / "a.tar", "a/1", "b/1"), tmp_path / "cache"
    first = unpacked(tar, cache)
    (first / "mark").touch()
    assert unpacked(tar, cache) == first
    assert (first / "mark").exists()
    write_tar(tar, "a/1", "b/2", content=b"CONTENT")
    os.utime(tar, (1, 1))  # of another time, whatever the clock's resolution
    second = unpacked(tar, cache)
    assert second != first
    assert (second / "b" / "2").read_bytes() == b"CONTENT"


@pytest.mark.parametrize("name", ["../out", "a/../../out"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"evil\.tar cannot be unpacked"):
        unpacked(write_tar(tmp_path / "evil.tar", "a/1", name), tmp_path / "cache")
    assert {each.name for each in tmp_path.rglob("*")} == {"evil.tar", "cache", "unpacked"}


def test_an_absolute_path_stays_below_the_cache(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "file"
    unpacked(write_tar(tmp_path / "a.tar", str(target), "b/1"), tmp_path / "cache")
    assert not target.exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_out_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("cat")
        entry.type, entry.linkname = kind, "../../../../etc"
        tar.addfile(entry)
    with pytest.raises(DataError, match=r"evil\.tar cannot be unpacked"):
        unpacked(path, tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("cat")) == []


@pytest.mark.parametrize(
    ("mode", "damage"),  # a tar that is not compressed has no checksum of its content
    [("w", "cut"), ("w:gz", "cut"), ("w:gz", "changed"), ("w:xz", "cut"), ("w:xz", "changed")],
)
@pytest.mark.parametrize("content", [os.urandom(60_000), os.urandom(40_000).hex().encode()], ids=["noise", "text"])
def test_a_damaged_tar_is_one_sentence(tmp_path: Path, mode: str, damage: str, content: bytes) -> None:
    path = write_tar(tmp_path / "a.tar", "a/1", "b/1", mode=mode, content=content)
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    if damage == "cut":
        del data[half:]
    else:
        data[half : half + 1024] = bytes(1024)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tar cannot be unpacked"):
        unpacked(path, tmp_path / "cache")
    assert list((tmp_path / "cache" / "unpacked").iterdir()) == []
