"""Kept weights: what is merged again is what was measured, and damage is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models.store import Store
from training import recipe as recipes
from training.errors import ExportError
from training.export import kept
from training.export.request import ExportRequest
from training.objectives.pictures import Normalisation
from training.preparation import prepare


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recipe = recipes.load("digits", ["network.hidden=[16]"])
    objective = prepare(recipe, None, tmp_path).objective
    classes = tuple(str(digit) for digit in range(10))
    normalise = Normalisation((78.0,) * 3, (96.0,) * 3)
    about = kept.Described("trained in a test", "1293 pictures", classes, {"test_accuracy": 0.5}, "", True, normalise)
    kept.keep(objective.network, recipe, about, tmp_path, tmp_path / "deltas")
    torch.save(objective.network.state_dict(), tmp_path / "rounded.pt")
    return tmp_path / "deltas"


def test_what_is_merged_again_is_the_network_that_was_rounded(folder: Path) -> None:
    card = kept.read(folder / "digits.json")
    network = kept.restored(card, folder / "digits.safetensors", folder)
    wanted = torch.load(folder.parent / "rounded.pt")
    assert wanted.keys() == network.state_dict().keys()
    assert all(torch.equal(wanted[name], each) for name, each in network.state_dict().items())


def test_kept_weights_are_exported_without_data(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    artifact = kept.exporter_of(folder / "digits.json")(ExportRequest(store, tmp_path, records=tmp_path))
    assert artifact.id == "digits@1"
    assert artifact.manifest.provenance.weights_sha256 == kept.read(folder / "digits.json").weights_sha256
    assert set(artifact.manifest.variants) == {"fp32"}, "int8 was never measured, so it is not published"


def test_damaged_weights_are_refused(folder: Path) -> None:
    weights = folder / "digits.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ExportError, match=r"digits\.safetensors is not the file that digits\.json speaks of"):
        kept.read(folder / "digits.json")


def test_a_damaged_card_is_refused(folder: Path) -> None:
    card = json.loads((folder / "digits.json").read_text())
    (folder / "digits.json").write_text(json.dumps({**card, "strange": 1}))
    with pytest.raises(ExportError, match=r"digits\.json is no card of kept weights"):
        kept.read(folder / "digits.json")


def test_weights_of_another_base_are_refused(folder: Path) -> None:
    card = kept.read(folder / "digits.json").model_copy(update={"base_sha256": "0" * 64})
    with pytest.raises(ExportError, match="other published weights"):
        kept.restored(card, folder / "digits.safetensors", folder)


@pytest.mark.parametrize("path", kept.cards().values(), ids=kept.cards().keys())
def test_what_the_project_keeps_is_whole_and_small(path: Path) -> None:
    card = kept.read(path)
    assert path.with_suffix(".safetensors").stat().st_size <= 10e6
    assert card.trained().name == path.stem
