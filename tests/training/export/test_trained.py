"""Publishing needs the run's own data and a network that recognises something; a refusal leaves nothing behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.store import Store
from tests.spoken import spoken, write_wav
from tests.trained import Workshop
from training.errors import DataError, GateError, UsageError
from training.export import kept
from training.export.trained import Publication, publish

pytestmark = pytest.mark.xdist_group("trained")


def test_what_restores_pictures_recognises_nothing(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    workshop.outcome("train", "digits-autoencoder", "--set", "optimise.epochs=1")
    run = workshop.run("digits-autoencoder")
    with pytest.raises(UsageError, match="restores pictures and recognises nothing: there is nothing to serve"):
        publish(Publication(run, workshop.store, workshop.cache))


def test_data_that_are_others_or_gone_are_refused(vowels_workshop: Workshop, tmp_path: Path) -> None:
    run, store = vowels_workshop.run("vowels"), Store(tmp_path / "store")
    others = Path(shutil.copytree(vowels_workshop.data, tmp_path / "others"))
    write_wav(others / "sound" / "0.wav", spoken("ah", 300.0))
    with pytest.raises(UsageError, match=f"others does not hold the data that {run.id} was trained on"):
        publish(Publication(run, store, vowels_workshop.cache, others))
    with pytest.raises(DataError, match="there is no folder, table or tar"):
        publish(Publication(run, store, vowels_workshop.cache, tmp_path / "gone"))
    assert store.names() == []


def test_weights_of_a_refused_run_are_not_kept(digits_workshop: Workshop, tmp_path: Path) -> None:
    workshop = digits_workshop.copied(tmp_path / "copy")
    worse = workshop.outcome("train", "digits", "--set", "optimise.epochs=1", "--set", "optimise.rate=1e-5")
    before = {path.name: path.read_bytes() for path in kept.FOLDER.glob("*")}
    with pytest.raises(GateError):
        publish(Publication(workshop.run(str(worse["run"])), workshop.store, workshop.cache, is_kept=True))
    assert {path.name: path.read_bytes() for path in kept.FOLDER.glob("*")} == before
