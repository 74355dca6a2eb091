"""A recogniser of three vowels from its run to text: graph, artifact, what the service hears, a worse one refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from models.ctc import Units, best_path
from models.store import Store
from tests import artifacts
from tests.trained import Workshop
from training.error_rate import Edits, count_edits, total
from training.errors import GateError, ParityError
from training.export import trained_speech
from training.export.origin import Origin
from training.export.runtime import Session
from training.objectives.speech import SpeechObjective, tokens_of
from training.preparation import prepare

pytestmark = pytest.mark.xdist_group("trained")


def objective_of(workshop: Workshop) -> SpeechObjective:
    """The run's network on its data, from the files alone."""
    run = workshop.run("vowels")
    objective = prepare(run.recipe(), workshop.data, workshop.cache).objective
    assert isinstance(objective, SpeechObjective)
    run.load_weights(objective.network)
    return objective


def test_the_graph_computes_what_pytorch_does_alone_and_in_a_batch(vowels_workshop: Workshop) -> None:
    objective, artifact = objective_of(vowels_workshop), vowels_workshop.store.find("vowels")
    graph = Session(artifact.path(artifact.manifest.variants["fp32"].files["model"]))
    network, test = objective.network.eval(), objective.parts.test
    rows = list(range(len(test)))
    with torch.inference_mode():
        together = list(objective._scores(network, test, rows, torch.device("cpu")))
    assert len({len(each) for each in together}) > 2, "recordings of one length would show no padding"
    for row, wanted in zip(rows, together, strict=True):
        found = graph(test.audio(row)[None])[0]
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < 1e-3


def test_the_manifest_tells_what_was_measured(vowels_workshop: Workshop) -> None:
    objective, artifact = objective_of(vowels_workshop), vowels_workshop.store.find("vowels")
    manifest, result = artifact.manifest, vowels_workshop.run("vowels").read("result.json")
    assert manifest.decoding == {"language": "en", "stride_s": 0.04}
    assert manifest.tokenizer is not None
    units = Units.read(artifact.path(manifest.tokenizer))
    assert units == Units((" ", "a", "e", "h", "o"), "")
    figures = {each.variant: each for each in manifest.metrics}
    assert (figures["fp32"].metric, figures["fp32"].count) == ("cer", len(objective.parts.test))
    assert figures["fp32"].value == pytest.approx(result["test_cer"], abs=1e-4)
    assert result["test_cer"] < 0.2
    assert manifest.provenance.weights_sha256 == result["weights_sha256"]
    assert "Knows three vowels." in (artifact.folder / "model-card.md").read_text("utf-8")


def test_edits_of_a_graph_are_those_of_its_texts(vowels_workshop: Workshop) -> None:
    objective, artifact = objective_of(vowels_workshop), vowels_workshop.store.find("vowels")
    graph = Session(artifact.path(artifact.manifest.variants["fp32"].files["model"]))
    swapped = Units((" ", "e", "a", "h", "o"), "")
    counted = []
    for row, listed in enumerate(objective.parts.test.listed):
        heard = swapped.text([each.token for each in best_path(graph(objective.parts.test.audio(row)[None])[0])])
        counted.append(count_edits(tokens_of(listed.text, objective.recipe), tokens_of(heard, objective.recipe)))
    found = trained_speech.held_out_edits(objective, graph, swapped)
    assert found == total(counted)
    assert found.rate > 0.3 > trained_speech.held_out_edits(objective, graph).rate


def test_a_worse_run_is_refused_in_words_and_published_by_force(vowels_workshop: Workshop, tmp_path: Path) -> None:
    workshop = vowels_workshop.copied(tmp_path / "copy")
    recipe, data = str(workshop.root / "vowels.toml"), str(workshop.data)
    changed = ("--set", "optimise.epochs=1", "--set", "optimise.rate=1e-5")
    status, _, err = workshop.command("train", recipe, "--data", data, *changed, "--publish")
    assert status == 2
    last = err.splitlines()[-1]
    assert last.startswith("error: vowels is not published: it makes ")
    assert "vowels@1, which it would replace" in last
    assert workshop.store.versions("vowels") == ["1"]
    moved = workshop.data.rename(workshop.root / "moved")
    forced = workshop.outcome("publish", "vowels", "--force", "--data", str(moved))
    assert (forced["name"], forced["version"]) == ("vowels", "2")
    assert forced["run"] != vowels_workshop.run("vowels").id


ORIGIN = Origin("vowels", "made for tests", "0" * 64, "none")


def test_a_recogniser_that_knows_nothing_is_refused(vowels_workshop: Workshop) -> None:
    objective = objective_of(vowels_workshop)
    texts = [tokens_of(each.text, objective.recipe) for each in objective.parts.test.listed]
    silent = [count_edits(text, ()) for text in texts]
    with pytest.raises(
        GateError, match=r"vowels is not published: its CER is 100% .* that of who writes nothing 100%"
    ):
        trained_speech.refuse_ignorance("vowels", objective, silent)
    usual = Counter(tokens_of(each.text, objective.recipe) for each in objective.parts.train.listed).most_common(1)[
        0
    ][0]
    parrot = [count_edits(text, usual) for text in texts]
    with pytest.raises(GateError, match="knows more"):
        trained_speech.refuse_ignorance("vowels", objective, parrot)
    trained_speech.refuse_ignorance("vowels", objective, [count_edits(text, text) for text in texts])


def test_a_recogniser_of_another_kind_is_not_replaced(vowels_workshop: Workshop, tmp_path: Path) -> None:
    artifacts.publish(tmp_path, "vowels")
    objective = objective_of(vowels_workshop)
    with pytest.raises(GateError, match="vowels@1, which it would replace, is a recogniser of another kind"):
        trained_speech._compare(Store(tmp_path), objective, ORIGIN, Edits())


def test_a_graph_that_computes_something_else_is_refused(vowels_workshop: Workshop) -> None:
    objective = objective_of(vowels_workshop)
    said = trained_speech.Recogniser(objective.network, objective.units, objective.recipe, ORIGIN)
    artifact = vowels_workshop.store.find("vowels")
    graph = Session(artifact.path(artifact.manifest.variants["fp32"].files["model"]))
    assert trained_speech._checked(said, graph, {}).tolerance == 1e-3
    with torch.no_grad():
        objective.network.classifier.bias[1] += 0.5
    with pytest.raises(ParityError, match="away from PyTorch on golden; nothing published"):
        trained_speech._checked(said, graph, {})
