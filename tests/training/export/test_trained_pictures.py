"""Digits from their run to an artifact: it computes what PyTorch does, is calibrated, and a worse one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.manifest import Gate
from models.postprocess import Labels
from models.store import Store
from tests import artifacts
from tests.trained import Workshop
from training import recipe as recipes
from training.errors import GateError
from training.evaluate import Answers
from training.export import trained_pictures
from training.export.calibrate import Finding
from training.export.origin import Origin
from training.export.runtime import Session
from training.objectives.classification import Classification
from training.preparation import prepare

pytestmark = pytest.mark.xdist_group("trained")


def objective_of(workshop: Workshop) -> Classification:
    """The run's network on its data, from the files alone."""
    run = workshop.run("digits")
    objective = prepare(run.recipe(), None, workshop.cache).objective
    assert isinstance(objective, Classification)
    run.load_weights(objective.network)
    return objective


def test_the_artifact_classifies_what_was_held_out_as_pytorch_does(digits_workshop: Workshop) -> None:
    objective, artifact = objective_of(digits_workshop), digits_workshop.store.find("digits")
    test = objective.parts.test
    pixels = np.stack([test.as_served(row, objective.served) for row in range(len(test))])
    graph = Session(artifact.path(artifact.manifest.variants["fp32"].files["model"]))
    calibration = artifact.manifest.calibration
    assert calibration is not None
    with torch.inference_mode():
        logits = objective.network(objective.normalise(torch.from_numpy(pixels)))
    wanted = torch.softmax(logits / calibration.temperature, -1).numpy()
    assert np.abs(graph(pixels) - wanted).max() < 1e-5
    accuracy = float((graph(pixels).argmax(-1) == test.class_ids).mean())
    assert accuracy > 0.9
    assert accuracy == pytest.approx(digits_workshop.run("digits").read("result.json")["test_accuracy"])


def test_the_manifest_tells_what_was_measured(digits_workshop: Workshop) -> None:
    artifact, run = digits_workshop.store.find("digits"), digits_workshop.run("digits")
    manifest, result = artifact.manifest, run.read("result.json")
    assert manifest.provenance.weights_sha256 == result["weights_sha256"]
    assert run.id in manifest.provenance.source
    assert manifest.labels is not None
    labels = Labels.read(artifact.path(manifest.labels))
    assert [each.label for each in labels.classes] == [str(digit) for digit in range(10)]
    figures = {(each.metric, each.variant): each for each in manifest.metrics}
    top1 = figures["top1", "fp32"]
    assert (top1.data, top1.count) == ("test part of digits", len(objective_of(digits_workshop).parts.test))
    assert top1.value == pytest.approx(result["test_accuracy"])
    gate = manifest.variants["int8"].gate
    assert isinstance(gate, Gate)
    assert gate.is_passed
    assert manifest.calibration is not None
    assert manifest.calibration.temperature == pytest.approx(result["temperature"], abs=1e-3)
    assert manifest.calibration.ece == pytest.approx(result["test_ece"], abs=1e-3)
    assert "white on black" in (artifact.folder / "model-card.md").read_text("utf-8")


def test_a_worse_run_is_refused_in_words_and_published_by_force(digits_workshop: Workshop, tmp_path: Path) -> None:
    workshop = digits_workshop.copied(tmp_path / "copy")
    worse = workshop.outcome("train", "digits", "--set", "optimise.epochs=1", "--set", "optimise.rate=1e-5")
    status, out, err = workshop.command("publish", str(worse["run"]))
    assert (status, out) == (2, "")
    assert err.startswith("error: digits is not published: it is right on ")
    assert "digits@1, which it would replace" in err
    assert err.endswith("--force publishes it all the same\n")
    assert workshop.store.versions("digits") == ["1"]
    forced = workshop.outcome("publish", str(worse["run"]), "--force")
    assert (forced["name"], forced["version"], forced["run"]) == ("digits", "2", worse["run"])


def untrained(*overrides: str) -> Classification:
    objective = prepare(recipes.load("digits", ["network.hidden=[8]", *overrides]), None, Path("unused")).objective
    assert isinstance(objective, Classification)
    return objective


ORIGIN = Origin("digits", "made for tests", "0" * 64, "none")


def test_other_classes_cannot_be_compared(tmp_path: Path) -> None:
    artifacts.publish(tmp_path, "digits")
    with pytest.raises(GateError, match="it tells other classes apart than digits@1, which it would replace"):
        trained_pictures.publish(untrained(), ORIGIN, Store(tmp_path), is_forced=False)
    assert Store(tmp_path).versions("digits") == ["1"]


def test_without_a_validation_part_nothing_is_calibrated() -> None:
    found = trained_pictures.calibrated(untrained("data.validation=0"))
    assert found == Finding(None, "no validation part was held out to calibrate on")


def test_too_few_validation_pictures_are_not_calibrated_on() -> None:
    found = trained_pictures.calibrated(untrained("data.validation=0.03"))
    assert found.calibration is None
    assert found.reason.endswith("validation pictures are too few to calibrate on: at least 50 are needed")


def told(right: int, of_each: list[int]) -> Answers:
    """So many right of held-out pictures, of which there are so many of each class."""
    class_ids = np.repeat(np.arange(len(of_each)), of_each)
    places = (np.arange(len(class_ids)) >= right).astype(np.int64)
    return Answers(class_ids, class_ids, np.ones(len(class_ids)), places)


@pytest.mark.parametrize(
    ("right", "of_each", "is_refused"),
    [
        (0, [10, 10], True),
        (11, [10, 10], True),
        (16, [10, 10], False),
        (30, [30, 2, 2], True),  # nearly all of them are cats, and everything is called a cat
        (34, [30, 2, 2], False),
        (2, [2, 2], True),
        (9, [4] * 8, False),
        (5, [4] * 8, True),
    ],
)
def test_a_model_that_is_right_about_nothing_is_refused(right: int, of_each: list[int], is_refused: bool) -> None:
    classes = tuple(f"class {number}" for number in range(len(of_each)))
    if not is_refused:
        trained_pictures.refuse_ignorance("mine", told(right, of_each), classes)
        return
    with pytest.raises(GateError) as refused:
        trained_pictures.refuse_ignorance("mine", told(right, of_each), classes)
    assert str(refused.value) == (
        f"mine is not published: it is right on {right} of {sum(of_each)} held-out pictures, and who says class 0 "
        f"each time is right on {of_each[0]}: nothing shows that it knows more; --force publishes it all the same"
    )


def test_an_untrained_network_is_not_published(tmp_path: Path) -> None:
    objective = untrained()
    for parameter in objective.network.parameters():
        parameter.data.zero_()
    with pytest.raises(GateError, match="nothing shows that it knows more"):
        trained_pictures.publish(objective, ORIGIN, Store(tmp_path), is_forced=False)
    assert Store(tmp_path).names() == []


def test_a_network_that_looks_from_both_sides_is_published_in_int8_too(tmp_path: Path) -> None:
    """Weights that a graph uses twice fail in ONNX Runtime once they are quantized, so both sides go in one batch."""
    content = recipes.load("digits").model_dump(exclude={"name"})
    content["network"] = {"kind": "cnn", "stem": "whitened", "widths": [8, 16], "two_sided": True}
    objective = prepare(recipes.parse("digits", content), None, Path("unused")).objective
    assert isinstance(objective, Classification)
    trained_pictures.publish(objective, ORIGIN, Store(tmp_path), is_forced=True)
    artifact = Store(tmp_path).find("digits")
    test = objective.parts.test
    pixels = np.stack([test.as_served(row, objective.served) for row in range(9)])
    for variant in artifact.manifest.variants.values():
        graph = Session(artifact.path(variant.files["model"]))
        np.testing.assert_allclose(graph(pixels), graph(np.ascontiguousarray(pixels[:, :, ::-1])), atol=1e-6)
    assert set(artifact.manifest.variants) == {"fp32", "int8"}
