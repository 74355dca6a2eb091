"""A tiny classifier on its whole way: graph, parity, int8 and its gate, publication, replay."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from models.manifest import Gate, ImagePreprocessing, Metric, Provenance
from models.postprocess import Label, Labels
from models.preprocess import fit
from models.store import Store
from training.calibration import probabilities
from training.errors import ExportError, ParityError
from training.export import image, parity, record
from training.export.graph import giving_logits, to_onnx
from training.export.image_model import ImageModel
from training.export.quantize import to_int8
from training.export.record import Int8Record, Record
from training.export.request import ExportRequest
from training.export.runtime import Session
from training.networks.efficientnet_lite import ConvNorm

CLASSES = 5
WEIGHTS_SHA256 = "ab" * 32


class Tiny(nn.Module):
    """Two convolutions, one of them with an odd "same" padding, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvNorm(3, 8, 3, stride=2)
        self.second = ConvNorm(8, 8, 3, groups=8)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, classes]`."""
        logits: Tensor = self.last(self.second(self.first(x)).mean((2, 3)))
        return logits


class Forgetful(Tiny):
    """Computes something else while it is exported than while it is asked."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, classes]`."""
        logits = super().forward(x)
        return logits * 1.5 if torch.compiler.is_exporting() else logits


def model(network: nn.Module | None = None) -> ImageModel:
    """A tiny model with fixed random weights."""
    torch.manual_seed(0)
    return ImageModel(
        name="tiny",
        network=network or Tiny(),
        mean=(127.0,),
        std=(128.0,),
        preprocessing=ImagePreprocessing(resize_px=36, crop_px=32),
        labels=Labels(tuple(Label(f"class {i}", "group" if i < 2 else None) for i in range(CLASSES))),
        provenance=Provenance(
            source="random", weights_sha256=WEIGHTS_SHA256, licence="none", exporter="test", date=date(2026, 1, 1)
        ),
        limits="It knows nothing.",
    )


def request(root: Path) -> ExportRequest:
    return ExportRequest(Store(root / "artifacts"), root / "cache", records=root / "records")


def _keep_record(root: Path, is_passed: bool) -> None:
    """What `quantize` would have kept: ranges of every tensor, and a gate's verdict."""
    fp32 = to_onnx(model().classifier(), 32)
    whole = {name: (-8.0, 8.0) for node in fp32.graph.node for name in (*node.input, *node.output)}
    gate = Gate(
        metric="top1", data="test", count=10, reference=1.0, candidate=1.0 if is_passed else 0.5, margin=0.1,
        is_passed=is_passed,
    )  # fmt: skip
    metrics = (Metric(metric="top1", value=1.0, data="test", count=10),)
    kept = Record(
        name="tiny", weights_sha256=WEIGHTS_SHA256, date=date(2026, 1, 1),
        int8=Int8Record(ranges=whole, ranges_data="test", gate=gate), metrics=metrics,
    )  # fmt: skip
    (root / "records").mkdir()
    record.save(root / "records", kept)


def test_what_is_published_is_complete_and_computes_what_pytorch_computes(tmp_path: Path) -> None:
    artifact = image.export(model(), request(tmp_path))
    artifact.verify()
    variant = artifact.manifest.variants["fp32"]
    assert variant.parity is not None
    assert variant.parity.max_abs_diff.keys() == {"golden", "random"}
    pixels = parity.random_pixels(32)
    served = Session(artifact.path(variant.files["model"]).read_bytes())(pixels)
    np.testing.assert_allclose(served, model().classifier().probabilities(pixels), atol=1e-5)
    np.testing.assert_allclose(served.sum(1), 1, atol=1e-5)


def test_golden_vectors_are_what_the_graph_gives(tmp_path: Path) -> None:
    artifact = image.export(model(), request(tmp_path))
    golden = np.load(artifact.path(artifact.manifest.golden))
    served = Session(artifact.path(artifact.manifest.variants["fp32"].files["model"]).read_bytes())
    np.testing.assert_allclose(served(golden["input"]), golden["output.fp32"], atol=1e-6)
    assert golden["media_0"].dtype == np.uint8


def test_the_graph_is_plain(tmp_path: Path) -> None:
    artifact = image.export(model(), request(tmp_path))
    graph = onnx.load(str(artifact.path(artifact.manifest.variants["fp32"].files["model"]))).graph
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"Pad", "BatchNormalization"}
    pads = [list(each.ints) for node in graph.node for each in node.attribute if each.name == "pads"]
    assert [0, 0, 1, 1] in pads  # the odd pixel lies right and below


def test_a_second_export_is_the_same_bytes_and_the_next_version(tmp_path: Path) -> None:
    first, second = (image.export(model(), request(tmp_path)) for _ in range(2))
    assert (first.manifest.version, second.manifest.version) == ("1", "2")
    assert first.manifest.variants == second.manifest.variants
    assert first.manifest.golden == second.manifest.golden


def test_a_failing_export_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="nothing was published"):
        image.export(model(Forgetful()), request(tmp_path))
    assert Store(tmp_path / "artifacts").names() == []
    assert not [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


@pytest.mark.parametrize("is_passed", [True, False])
def test_int8_is_published_only_behind_its_gate(tmp_path: Path, is_passed: bool) -> None:
    _keep_record(tmp_path, is_passed)
    manifest = image.export(model(), request(tmp_path)).manifest
    assert ("int8" in manifest.variants) is is_passed
    if is_passed:
        gate = manifest.variants["int8"].gate
        assert gate is not None
        assert (gate.reference, gate.candidate) == (1.0, 1.0)


def test_a_record_of_other_weights_is_not_used(tmp_path: Path) -> None:
    _keep_record(tmp_path, is_passed=True)
    other = dataclasses.replace(
        model(), provenance=model().provenance.model_copy(update={"weights_sha256": "cd" * 32})
    )
    assert "int8" not in image.export(other, request(tmp_path)).manifest.variants


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """60 photos of noise, of which all but every fifth are labelled with what the model takes them for."""
    folder = tmp_path / "data" / "eval" / "images"
    folder.mkdir(parents=True)
    pictures = parity.random_pixels(36, 60)
    spec = model().preprocessing
    said = model().classifier().logits(np.stack([fit(Image.fromarray(each), spec) for each in pictures])).argmax(1)
    rows = ["path\timagenet_index"]
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png\t{(said[number] + (number % 5 == 0)) % CLASSES}")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "data"


def test_one_command_keeps_what_exports_without_data_reuse(tmp_path: Path, data: Path) -> None:
    asked = dataclasses.replace(request(tmp_path), data=data)
    kept = Record.model_validate_json(image.quantize(model(), asked).read_bytes())
    assert kept.calibration is not None
    assert kept.int8 is not None
    manifest = image.export(model(), request(tmp_path)).manifest
    assert manifest.calibration == kept.calibration
    assert kept.calibration.temperature != 1
    served = Session((tmp_path / "artifacts/tiny/1/model.fp32.onnx").read_bytes())(parity.random_pixels(32))
    logits = model().classifier().logits(parity.random_pixels(32))
    np.testing.assert_allclose(served, probabilities(logits, kept.calibration.temperature), atol=1e-5)
    card = (tmp_path / "artifacts/tiny/1/model-card.md").read_text("utf-8")
    assert f"calibrated with temperature {kept.calibration.temperature:.3f} on 60 photos of eval/images" in card
    assert "at temperature 1" in card


def test_without_a_record_an_export_measures_where_photos_are(tmp_path: Path, data: Path) -> None:
    manifest = image.export(model(), dataclasses.replace(request(tmp_path), data=data)).manifest
    assert manifest.calibration is not None
    assert "60 photos of eval/images" in manifest.calibration.data
    assert {each.metric for each in manifest.metrics} == {"top1", "top5"}
    assert not (tmp_path / "records").exists()


def test_int8_stays_close_and_is_smaller(tmp_path: Path) -> None:
    fp32 = to_onnx(model().classifier(), 32)
    pixels = parity.random_pixels(32)
    whole = {name: (-8.0, 8.0) for node in fp32.graph.node for name in (*node.input, *node.output)}
    int8 = to_int8(fp32, whole)
    kinds = {node.op_type for node in int8.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    difference = np.abs(Session(int8.SerializeToString())(pixels) - Session(fp32.SerializeToString())(pixels))
    assert difference.max() < 0.05


def test_parity_refuses_what_is_no_number() -> None:
    def broken(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(batch), CLASSES), np.nan, np.float32)

    with pytest.raises(ParityError):
        parity.check(
            model().classifier().probabilities, cast(parity.Function, broken), {"x": parity.random_pixels(32)}
        )


@pytest.mark.parametrize("temperature", [1.0, 0.05, 20.0])
def test_parity_is_judged_before_the_temperature(temperature: float) -> None:
    """Logits that are 1e-3 away are refused whatever the temperature would make of them; 1e-6 passes."""
    classifier = model().classifier()
    classifier.temperature = temperature
    pixels = {"noise": parity.random_pixels(32)}
    logits = Session(giving_logits(to_onnx(classifier, 32), temperature).SerializeToString())
    found = parity.check(classifier.logits, logits, pixels)
    assert max(found.max_abs_diff.values()) < 1e-5
    with pytest.raises(ParityError):
        parity.check(lambda batch: classifier.logits(batch) + np.float32(1e-3), logits, pixels)


def test_a_graph_that_does_not_end_in_its_temperature_is_refused() -> None:
    graph = to_onnx(model().classifier(), 32)
    with pytest.raises(ExportError, match="does not end in a temperature"):
        giving_logits(graph, 0.5)


def test_differences_are_in_units_of_the_largest_logit() -> None:
    large = {"x": parity.random_pixels(4)}
    wanted = np.array([[1000.0, 0.0]] * 8, np.float32)

    def answers(shift: float) -> parity.Function:
        return lambda batch: wanted[: len(batch)] + np.float32(shift)

    assert parity.check(answers(0), answers(0.05), large).max_abs_diff["x"] == pytest.approx(5e-5, rel=0.01)
    with pytest.raises(ParityError):
        parity.check(answers(0), answers(0.2), large)
