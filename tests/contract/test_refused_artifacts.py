"""An artifact that was tampered with, or is not complete, is never served: readiness says which one, and why."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from models.store import MANIFEST, Store
from service.app import create_app
from service.settings import Settings, read_settings
from tests.pictures import CLOCK
from tests.served import missing_models

NAME = "efficientnet-lite0"
pytestmark = pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}")


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _swap_labels(folder: Path) -> None:
    path = folder / "labels.json"
    path.write_text(path.read_text("utf-8").replace("tench", "tencc"), "utf-8")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed graph": (lambda folder: _flip(folder / "model.int8.onnx", 1000), "sha256 of model.int8.onnx"),
    "a cut graph": (lambda folder: (folder / "model.int8.onnx").write_bytes(b"x"), "model.int8.onnx has 1 bytes"),
    "a missing graph": (lambda folder: (folder / "model.int8.onnx").unlink(), "model.int8.onnx is missing"),
    "changed labels": (_swap_labels, "sha256 of labels.json"),
    "changed golden vectors": (lambda folder: _flip(folder / "golden.npz", 100), "sha256 of golden.npz"),
    "a cut manifest": (lambda folder: (folder / MANIFEST).write_text("{"), "manifest is invalid"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "there is no artifact"),
}


async def _ask(root: Path) -> dict[str, httpx.Response]:
    """What an application over this store answers once it has tried to load."""
    app = create_app(Settings(artifacts=root, models=(NAME,)))
    registry = app.state.services.registry
    registry.load_all()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://percept") as client:
        answers = {
            "ready": await client.get("/health/ready"),
            "live": await client.get("/health/live"),
            "photo": await client.post("/classify-image", files={"file": CLOCK.read_bytes()}),
        }
    registry.stop(5.0)
    return answers


def _copy(root: Path) -> Path:
    artifact = Store(read_settings().artifacts).find(NAME)
    folder = root / NAME / artifact.manifest.version
    shutil.copytree(artifact.folder, folder)
    return folder


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_artifact_is_refused_by_name_and_reason(tmp_path: Path, kind: str) -> None:
    damage, reason = DAMAGE[kind]
    damage(_copy(tmp_path))
    answers = asyncio.run(_ask(tmp_path))
    assert {name: answer.status_code for name, answer in answers.items()} == {"ready": 503, "live": 200, "photo": 503}
    problem = answers["ready"].json()
    assert problem["code"] == "not_ready"
    assert NAME in problem["detail"]
    assert reason in problem["detail"]
    assert str(tmp_path) not in problem["detail"]


def test_an_intact_copy_is_served(tmp_path: Path) -> None:
    _copy(tmp_path)
    answers = asyncio.run(_ask(tmp_path))
    assert {name: answer.status_code for name, answer in answers.items()} == {"ready": 200, "live": 200, "photo": 200}
