"""Where weights come from, as their manifest says it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.export.origin import Origin
from training.recipe import parse
from training.run import DATA, RESULT, open_run

NETWORKS = {
    "published": {"kind": "efficientnet-lite", "size": 0},
    "from scratch": {"kind": "efficientnet-lite", "size": 0, "pretrained": False},
    "of its own": {"kind": "mlp"},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_of_a_run(tmp_path: Path, name: str) -> None:
    content = {"task": "image-classification", "licence": "MIT", "network": NETWORKS[name]}
    recipe = parse("birds", content)
    run = open_run(tmp_path, recipe, "data")
    run.write(RESULT, {"weights_sha256": "ab" * 32})
    told = Origin.of_run(run, recipe).provenance()
    assert (told.weights_sha256, told.licence) == ("ab" * 32, "MIT")
    assert told.date == datetime.now(UTC).date()
    assert told.exporter.startswith("percept ")
    base = " on published weights of ImageNet" if name == "published" else ""
    assert told.source == f"trained here{base}, recipe birds, run {run.id}"


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [("images", "/home/someone/photos/pets", "pets"), ("digits", None, "scikit-learn's digits")],
)
def test_the_data_are_named_without_the_folders_around_them(
    tmp_path: Path, source: str, path: str | None, name: str
) -> None:
    recipe = parse("pets", {"task": "image-classification", "network": {"kind": "mlp"}, "data": {"source": source}})
    run = open_run(tmp_path, recipe, "data")
    run.write(RESULT, {"weights_sha256": "ab" * 32})
    run.write(DATA, {"path": path, "about": "80 pictures of 4 classes to learn from"})
    assert Origin.of_run(run, recipe).provenance().data == f"{name}: 80 pictures of 4 classes to learn from"
