"""From a recipe and data to an objective: what is missing in words, and the same weights for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.spoken import write_corpus
from tests.training.data.test_images import write_classes
from training import recipe as recipes
from training.errors import DataError, RecipeError, UsageError
from training.networks.cnn import WhitenedStem
from training.networks.grey import GreyInput
from training.objectives.classification import Classification
from training.objectives.reconstruction import Reconstruction
from training.objectives.speech import SpeechObjective
from training.preparation import Prepared, prepare
from training.recipe import Recipe, parse


def pictures_recipe(**sections: dict[str, Any]) -> Recipe:
    content: dict[str, Any] = {
        "task": "image-classification",
        "data": {"size_px": 8},
        "network": {"kind": "mlp", "hidden": [8]},
    }
    return parse("animals", {**content, **sections})


def speech_recipe(**data: Any) -> Recipe:
    network = {"kind": "ctc", "mels": 16, "channels": [8, 8], "width": 8, "layers": 1}
    section = {"source": "recordings", "units": "words", "split_by": "content", **data}
    content = {"task": "speech-recognition", "data": section, "network": network, "loss": {"kind": "ctc"}}
    return parse("vowels", content)


def weights(prepared: Prepared) -> list[float]:
    return [float(each.double().sum()) for each in prepared.objective.network.state_dict().values()]


def test_digits_need_no_data(tmp_path: Path) -> None:
    found = prepare(recipes.load("digits"), None, tmp_path)
    assert isinstance(found.objective, Classification)
    assert isinstance(found.objective.network, GreyInput)
    assert found.classes == tuple("0123456789")
    assert found.about == "1293 pictures of 10 classes to learn from, 145 to steer by, 359 to judge by"
    again = prepare(recipes.load("digits"), None, tmp_path)
    assert (weights(again), again.fingerprint) == (weights(found), found.fingerprint)
    assert weights(prepare(recipes.load("digits", ["seed=2"]), None, tmp_path)) != weights(found)


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    write_classes(tmp_path / "data")
    (tmp_path / "data" / "cat" / "x.png").touch()
    found = prepare(pictures_recipe(), tmp_path / "data", tmp_path / "cache")
    assert isinstance(found.objective, Classification)
    assert not isinstance(found.objective.network, GreyInput)
    assert found.classes == ("cat", "dog")
    assert found.notes[0].endswith("x.png was left out: it cannot be read as a picture")
    parts = found.objective.parts
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (22, 2, 6)


def test_a_stem_is_whitened_by_the_pictures(tmp_path: Path) -> None:
    write_classes(tmp_path / "data")
    network = {"kind": "cnn", "stem": "whitened", "widths": [8, 8]}
    found = prepare(pictures_recipe(network=network), tmp_path / "data", tmp_path / "cache").objective
    assert isinstance(found, Classification)
    (stem,) = (each for each in found.network.modules() if isinstance(each, WhitenedStem))
    images = found.inputs(torch.from_numpy(np.stack([found.parts.train.pixels(n) for n in range(22)])))
    with torch.inference_mode():
        outputs = stem.conv(images).transpose(0, 1).flatten(1)[: stem.outputs // 2]
    spread = torch.cov(outputs)
    assert torch.allclose(spread.diagonal(), torch.ones(len(spread)), atol=0.2)
    assert float((spread - torch.diag(spread.diagonal())).abs().max()) < 0.05


def test_an_autoencoder_restores(tmp_path: Path) -> None:
    found = prepare(recipes.load("digits-autoencoder"), None, tmp_path)
    assert isinstance(found.objective, Reconstruction)


def test_recordings(tmp_path: Path) -> None:
    write_corpus(tmp_path / "data", 22, 4)
    found = prepare(speech_recipe(), tmp_path / "data", tmp_path / "cache")
    assert isinstance(found.objective, SpeechObjective)
    assert found.classes == ("ah", "ee", "oo")
    assert found.about.startswith("20 recordings (0.01 h) to learn 3 words from, 2 to steer by, 4 to judge by")
    again = prepare(speech_recipe(), tmp_path / "data", tmp_path / "cache")
    assert (weights(again), again.fingerprint) == (weights(found), found.fingerprint)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (pictures_recipe(), "animals learns from pictures of yours: name their folder, CSV or tar with --data"),
        (speech_recipe(), "vowels learns from recordings of yours: name their folder or table with --data"),
        (pictures_recipe(data={"source": "fsdd"}), "data.source fsdd holds no pictures"),
    ],
)
def test_data_that_are_not_named(made: Recipe, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        prepare(made, None, tmp_path)


def test_nothing_left_to_learn_from(tmp_path: Path) -> None:
    """Everything is the same picture, or the same recording, but for the test part."""
    write_classes(tmp_path / "pictures" / "test", 2, first=500)
    for name in ("cat", "dog"):
        folder = tmp_path / "pictures" / "train" / name
        folder.mkdir(parents=True)
        for number in range(12):
            source = tmp_path / "pictures" / "test" / name / ("500.png" if name == "cat" else "1500.png")
            (folder / f"{number}.png").write_bytes(source.read_bytes())
    with pytest.raises(DataError, match="nothing is left to learn from"):
        prepare(pictures_recipe(), tmp_path / "pictures", tmp_path / "cache")
    folder = write_corpus(tmp_path / "sound", 0, 24)
    with pytest.raises(DataError, match="nothing is left to learn from"):
        prepare(speech_recipe(), folder, tmp_path / "cache")


def test_a_network_that_takes_no_pictures(tmp_path: Path) -> None:
    section = speech_recipe().network
    with pytest.raises(RecipeError, match="a network of the kind ctc takes no pictures"):
        prepare(recipes.load("digits").model_copy(update={"network": section}), None, tmp_path)
