"""The store: complete or not there, intact or refused, never changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.manifest import Manifest
from models.store import MANIFEST, ArtifactDamagedError, ArtifactNotFoundError, Staging, Store, StoreError
from tests.artifacts import fill, publish


def test_versions_count_up_and_the_newest_is_found(tmp_path: Path) -> None:
    for version in ("1", "2", "3"):
        assert publish(tmp_path).manifest.version == version
    store = Store(tmp_path)
    assert store.names() == ["brightness"]
    assert store.find("brightness").id == "brightness@3"
    assert store.find("brightness@2").id == "brightness@2"


def test_ten_comes_after_nine(tmp_path: Path) -> None:
    for version in range(1, 11):
        assert publish(tmp_path).manifest.version == str(version)
    assert Store(tmp_path).versions("brightness")[-1] == "10"


@pytest.mark.parametrize(
    "reference",
    [
        "none",
        "brightness@9",
        "brightness@",
        "@1",
        "../brightness",
        "",
        ".",
        "brightness@../1",
        "a/b",
        "x" * 300,
        "x\0",
    ],
)
def test_what_is_not_there_is_not_found(tmp_path: Path, reference: str) -> None:
    publish(tmp_path)
    with pytest.raises(ArtifactNotFoundError):
        Store(tmp_path).find(reference)


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert Store(tmp_path / "nowhere").names() == []


def test_a_failure_while_staging_leaves_nothing(tmp_path: Path) -> None:
    def fail(staging: Staging) -> Manifest:
        (staging.folder / "half").write_bytes(b"x")
        raise KeyError

    with pytest.raises(KeyError):
        Store(tmp_path).build("brightness", fail)
    assert list((tmp_path / "brightness").iterdir()) == []


def test_a_folder_without_a_manifest_is_no_version(tmp_path: Path) -> None:
    publish(tmp_path)
    half = tmp_path / "brightness" / "2"
    half.mkdir()
    (half / "model.fp32.onnx").write_bytes(b"x")
    assert Store(tmp_path).versions("brightness") == ["1"]
    assert publish(tmp_path).id == "brightness@3"
    assert Store(tmp_path).versions("brightness") == ["1", "3"]


def test_a_staged_file_that_changed_is_not_published(tmp_path: Path) -> None:
    def tamper(staging: Staging) -> Manifest:
        manifest = fill("brightness", {"fp32": 1.0})(staging)
        (staging.folder / "labels.json").write_text("[]", "utf-8")
        return manifest

    with pytest.raises(ArtifactDamagedError, match=r"labels\.json"):
        Store(tmp_path).build("brightness", tamper)
    assert Store(tmp_path).names() == []


def test_a_manifest_of_another_model_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="other@1, not brightness@1"):
        Store(tmp_path).build("brightness", fill("other", {"fp32": 1.0}))


def test_two_publishers_never_mix(tmp_path: Path) -> None:
    def attempt(_: int) -> str:
        try:
            return publish(tmp_path).id
        except StoreError:
            return "beaten"

    with ThreadPoolExecutor(4) as publishers:
        won = [each for each in publishers.map(attempt, range(12)) if each != "beaten"]
    store = Store(tmp_path)
    assert sorted(won) == sorted(f"brightness@{version}" for version in store.versions("brightness"))
    for version in store.versions("brightness"):
        store.find(f"brightness@{version}").verify()


def _edited(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        document = json.loads(path.read_text("utf-8"))
        change(document)
        path.write_text(json.dumps(document), "utf-8")

    return edit


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_text("{", "utf-8"), "invalid"),
        (lambda path: path.write_bytes(b"\xff"), "invalid"),
        (_edited(lambda document: document.update(code="os.system")), "code"),
        (_edited(lambda document: document.update(schema_version=2)), "schema_version"),
        (_edited(lambda document: document.pop("golden")), "golden"),
        (_edited(lambda document: document.update(version="7")), "is of brightness@7"),
        (_edited(lambda document: document.update(card={"file": "../x", "sha256": "0" * 64, "bytes": 1})), "card"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_reason(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(publish(tmp_path).folder / MANIFEST)
    with pytest.raises(ArtifactDamagedError, match=words):
        Store(tmp_path).find("brightness")


def test_only_what_a_variant_needs_is_verified(tmp_path: Path) -> None:
    artifact = publish(tmp_path, fp32=1.0, int8=1.0)
    artifact.path(artifact.manifest.variants["int8"].files["model"]).unlink()
    artifact.verify("fp32")
    with pytest.raises(ArtifactDamagedError, match=r"model\.int8\.onnx is missing"):
        artifact.verify()


def test_another_user_may_serve_what_this_one_published(tmp_path: Path) -> None:
    assert publish(tmp_path).folder.stat().st_mode & 0o777 == 0o755
