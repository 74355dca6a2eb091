"""What an artifact may say of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from models.manifest import Data, FileName, Manifest, Name, Version
from tests.artifacts import publish

CALIBRATION = {"temperature": 1.1, "confident_score": 0.4, "data": "photos", "ece": 0.02}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return publish(tmp_path, fp32=1.0, int8=1.0).manifest


@pytest.fixture
def document(manifest: Manifest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(manifest.model_dump_json())
    return loaded | {"calibration": CALIBRATION}


def _records(kind: type[BaseModel] = Data) -> Iterator[type[BaseModel]]:
    for child in kind.__subclasses__():
        yield child
        yield from _records(child)


def _objects(value: object, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document that is a record and not a table of names."""
    if isinstance(value, dict):
        if place not in ("variants", "graphs", "files", "decoding", "metrics"):
            yield place, value
        for key, child in value.items():
            yield from _objects(child, key)
    elif isinstance(value, list):
        for child in value:
            yield from _objects(child)


def test_it_survives_the_file(document: dict[str, Any]) -> None:
    manifest = Manifest.model_validate(document)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_unknown_fields_are_refused_at_every_depth(document: dict[str, Any]) -> None:
    places = list(_objects(document))
    assert len(places) > 10
    for _, record in places:
        record["surprise"] = 1
        with pytest.raises(ValidationError, match="surprise"):
            Manifest.model_validate_json(json.dumps(document))
        del record["surprise"]
    Manifest.model_validate_json(json.dumps(document))


def test_every_record_is_frozen_and_closed() -> None:
    loose = [
        each for each in _records() if not each.model_config.get("frozen") or each.model_config["extra"] != "forbid"
    ]
    assert not loose


def test_a_variant_must_hold_every_graph_and_no_other(document: dict[str, Any]) -> None:
    files = document["variants"]["int8"]["files"]
    files["decoder"] = files["model"]
    with pytest.raises(ValidationError, match=r"variant int8 has files for \['decoder', 'model'\], not \['model'\]"):
        Manifest.model_validate(document)


def test_a_model_without_variants_is_none(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="variants"):
        Manifest.model_validate(document | {"variants": {}})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "mind-reading"),
        ("schema_version", 2),
        ("preprocessing", {"kind": "smell", "resize_px": 10, "crop_px": 8}),
        ("preprocessing", {"kind": "image", "resize_px": 0, "crop_px": 8}),
        ("preprocessing", {"kind": "audio", "sample_rate_hz": 16000, "window_s": 0}),
        ("calibration", CALIBRATION | {"temperature": 0}),
        ("calibration", CALIBRATION | {"confident_score": 1.1}),
        ("golden", {"file": "golden.npz", "sha256": "0" * 63, "bytes": 1}),
        ("golden", {"file": "golden.npz", "sha256": "A" * 64, "bytes": 1}),
        ("golden", {"file": "golden.npz", "sha256": "0" * 64, "bytes": -1}),
    ],
)
def test_senseless_values_are_refused(document: dict[str, Any], field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        Manifest.model_validate(document | {field: value})


def test_a_tolerance_of_nothing_is_refused(document: dict[str, Any]) -> None:
    document["variants"]["fp32"]["golden_tolerance"] = 0
    with pytest.raises(ValidationError, match="golden_tolerance"):
        Manifest.model_validate(document)


@given(st.text(max_size=80))
def test_a_file_name_never_leaves_its_folder(text: str) -> None:
    try:
        name = TypeAdapter(FileName).validate_python(text)
    except ValidationError:
        return
    assert Path("folder", name).resolve().parent == Path("folder").resolve()


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "a\n", "a\0", "x" * 129]
)
def test_these_are_no_file_names(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(FileName).validate_python(text)


@pytest.mark.parametrize("text", ["", "A", "a b", "a@1", "a/b", "-a", ".a", "a\n", "ä", "x" * 65])
def test_these_are_no_names(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)


@pytest.mark.parametrize("text", ["", "0", "01", "-1", "1.0", "v1", "1\n", "٣", "1" * 10])
def test_these_are_no_versions(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Version).validate_python(text)


def test_serving_a_variant_needs_its_graph_and_what_all_share(manifest: Manifest) -> None:
    shared = {"labels.json", "golden.npz", "model-card.md"}
    assert {ref.file for ref in manifest.files("int8")} == shared | {"model.int8.onnx"}
    assert {ref.file for ref in manifest.files()} == shared | {"model.int8.onnx", "model.fp32.onnx"}
