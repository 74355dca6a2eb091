"""The artifact store: `<root>/<name>/<version>/`, found, verified and published here and nowhere else.

Publishing writes everything into a hidden temporary folder, the manifest last, and renames the folder into place.
So a manifest's presence means that a version is complete, and its sha256 entries that it is intact. A version once
published never changes. The store does not know what the files mean.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from models.manifest import NAME_PATTERN, VERSION_PATTERN, FileRef, Manifest

MANIFEST = "manifest.json"
DEFAULT_ROOT = Path(__file__).parent / "artifacts"
_CHUNK_BYTES = 1 << 20


class StoreError(Exception):
    """Something is wrong with the store or an artifact in it; the message names the artifact and the reason."""


class ArtifactNotFoundError(StoreError):
    """No such model, or no such version of it."""


class ArtifactDamagedError(StoreError):
    """The version is there but cannot be trusted: a bad manifest, a missing file, a wrong sha256."""


def sha256_of(path: Path) -> str:
    """The lower-case hex sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def file_ref(path: Path) -> FileRef:
    """The manifest's entry for a file that exists."""
    return FileRef(file=path.name, sha256=sha256_of(path), bytes=path.stat().st_size)


@dataclass(frozen=True)
class Artifact:
    """One complete version on disk: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def path(self, ref: FileRef) -> Path:
        """Where a file of this artifact lies."""
        return self.folder / ref.file

    def verify(self, variant: str | None = None) -> None:
        """Check size and sha256 of every file (or of those that one variant needs).

        Raises:
            ArtifactDamagedError: naming the file and what is wrong with it.
        """
        for ref in self.manifest.files(variant):
            self._verify_file(ref)

    def _verify_file(self, ref: FileRef) -> None:
        path = self.path(ref)
        if not path.is_file():
            raise ArtifactDamagedError(f"{self.id}: {ref.file} is missing")
        if path.stat().st_size != ref.bytes:
            raise ArtifactDamagedError(f"{self.id}: {ref.file} has {path.stat().st_size} bytes, not {ref.bytes}")
        if sha256_of(path) != ref.sha256:
            raise ArtifactDamagedError(f"{self.id}: the sha256 of {ref.file} is not the manifest's")


class Staging:
    """A version in the making: write files into `folder`, then `publish` once."""

    def __init__(self, folder: Path, name: str, version: str, destination: Path) -> None:
        self.folder = folder
        self.name = name
        self.version = version
        self.is_published = False
        self._destination = destination

    def publish(self, manifest: Manifest) -> Artifact:
        """Verify every file, write the manifest last, and rename the folder into place.

        Raises:
            StoreError: the manifest names another model or version, or the version exists by now.
            ArtifactDamagedError: a file is not what the manifest says.
        """
        if (manifest.name, manifest.version) != (self.name, self.version):
            raise StoreError(f"the manifest is of {manifest.name}@{manifest.version}, not {self.name}@{self.version}")
        Artifact(self.folder, manifest).verify()
        path = self.folder / MANIFEST
        path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for file in self.folder.iterdir():
            _sync(file)
        self.folder.chmod(0o755)  # mkdtemp made it private; another user may serve what this one exported
        self._move()
        self.is_published = True
        return Artifact(self._destination, manifest)

    def _move(self) -> None:
        try:
            self.folder.rename(self._destination)
        except OSError as error:
            raise StoreError(f"{self.name}@{self.version} was published by someone else meanwhile") from error
        _sync(self._destination.parent)


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk, so that a power cut cannot leave a manifest without its files."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Store:
    """All artifacts below one root folder."""

    def __init__(self, root: Path = DEFAULT_ROOT) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Models with at least one complete version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(child.name for child in self.root.iterdir() if child.is_dir() and self.versions(child.name))

    def versions(self, name: str) -> list[str]:
        """Complete versions of a model, oldest first; empty where there is none."""
        return [number for number in self._numbers(name) if (self.root / name / number / MANIFEST).is_file()]

    def _numbers(self, name: str) -> list[str]:
        """Version numbers that are taken, by complete versions and by half-copied ones, lowest first."""
        folder = self.root / name
        if not folder.is_dir():
            return []
        return sorted((each.name for each in folder.iterdir() if re.fullmatch(VERSION_PATTERN, each.name)), key=int)

    def find(self, reference: str) -> Artifact:
        """The artifact that `name` (its newest version) or `name@version` refers to.

        Raises:
            ArtifactNotFoundError: nothing of that name or version is complete.
            ArtifactDamagedError: its manifest cannot be read.
        """
        name, separator, version = reference.partition("@")
        known = self.versions(name) if re.fullmatch(NAME_PATTERN, name) else []
        if not known or (separator and version not in known):
            raise ArtifactNotFoundError(f"there is no artifact {reference} in the store")
        return self._read(name, version or known[-1])

    def _read(self, name: str, version: str) -> Artifact:
        folder = self.root / name / version
        try:
            manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            raise ArtifactDamagedError(
                f"{name}@{version}: its manifest is invalid at {where}: {first['msg']}"
            ) from error
        except OSError as error:
            raise ArtifactDamagedError(f"{name}@{version}: its manifest cannot be read") from error
        if (manifest.name, manifest.version) != (name, version):
            raise ArtifactDamagedError(f"{name}@{version}: its manifest is of {manifest.name}@{manifest.version}")
        return Artifact(folder, manifest)

    @contextmanager
    def stage(self, name: str) -> Iterator[Staging]:
        """A staging folder for the next version of a model; whatever was not published is removed at the end."""
        parent = self.root / name
        parent.mkdir(parents=True, exist_ok=True)
        taken = self._numbers(name)
        version = str(int(taken[-1]) + 1 if taken else 1)
        folder = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=parent))
        staging = Staging(folder, name, version, parent / version)
        try:
            yield staging
        finally:
            if not staging.is_published:
                shutil.rmtree(folder, ignore_errors=True)

    def build(self, name: str, fill: Callable[[Staging], Manifest]) -> Artifact:
        """Stage, let `fill` write the files and describe them, and publish."""
        with self.stage(name) as staging:
            return staging.publish(fill(staging))
