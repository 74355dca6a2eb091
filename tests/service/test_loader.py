"""Only what replays its golden vectors is served, and what was decided is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from models.manifest import Manifest
from models.postprocess import Label, Labels
from models.store import Staging, Store, file_ref
from service.errors import ArtifactRefused
from service.loader import Loader, remedy
from service.onnx_runner import Kernels, Placement, int8_kernels, place
from service.settings import Settings
from service.vision.classify import Classified, ImageModel
from tests.artifacts import CLASSES, fill, picture, publish


def load(
    root: Path, reference: str = "brightness", kernels: tuple[Kernels, ...] | None = None, **settings: str
) -> ImageModel:
    chosen = Settings(artifacts=root, **settings)  # type: ignore[arg-type]  # values as the environment gives them
    loader = Loader(Store(root), chosen, place("cpu"), time.monotonic, kernels)
    model = loader.load(reference)
    assert isinstance(model, ImageModel)
    return model


def test_a_loaded_model_answers(tmp_path: Path) -> None:
    publish(tmp_path)
    model = load(tmp_path)
    model.engine.start()

    async def ask() -> Classified:
        answer: Classified = await model.engine.result(model.engine.submit(picture(200), 10.0))
        return answer

    got = asyncio.run(ask())
    assert model.engine.stop(10.0)
    assert got.probabilities.tolist() == pytest.approx([55 / 255, 200 / 255], abs=1e-6)
    assert (got.width, got.height, got.format, got.batch_size) == (10, 10, "PNG", 1)


def test_int8_is_taken_where_it_replays(tmp_path: Path) -> None:
    publish(tmp_path, fp32=1.0, int8=1.0)
    assert load(tmp_path).variant == "int8"
    assert load(tmp_path, variant="fp32").variant == "fp32"


def test_exact_kernels_are_opened_only_where_the_fast_ones_miss_the_golden_vectors(tmp_path: Path) -> None:
    publish(tmp_path, fp32=1.0, int8=1.0)
    model = load(tmp_path, kernels=("fast", "exact"))
    said = " ".join(model.notes)
    assert model.variant == "int8"
    if int8_kernels()[0] == "fast":
        assert "kernels" not in said
    else:
        assert "int8 differs from its golden vectors" in said
        assert "exact kernels, since the fast ones miss the golden vectors" in said


def test_kernels_that_saturate_on_this_processor_are_not_tried(tmp_path: Path) -> None:
    publish(tmp_path, fp32=1.0, int8=1.0)
    model = load(tmp_path, kernels=("exact",))
    assert model.variant == "int8"
    assert "int8 runs with exact kernels, since the fast ones saturate on this processor" in model.notes
    assert not any("exact" in note for note in load(tmp_path, kernels=("exact",), variant="fp32").notes)


def test_int8_that_does_not_replay_gives_way_to_fp32_and_is_mentioned(tmp_path: Path) -> None:
    publish(tmp_path, fp32=1.0, int8=0.9)
    model = load(tmp_path)
    assert model.variant == "fp32"
    assert "int8 differs from its golden vectors" in " ".join(model.notes)


def test_a_variant_that_was_asked_for_by_name_is_refused_where_it_does_not_replay(tmp_path: Path) -> None:
    publish(tmp_path, fp32=1.0, int8=0.9)
    with pytest.raises(ArtifactRefused, match="brightness@1: int8 differs"):
        load(tmp_path, variant="int8")


def test_a_model_of_which_nothing_replays_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, fp32=0.5)
    with pytest.raises(ArtifactRefused, match="brightness@1: fp32 differs"):
        load(tmp_path)


def test_a_variant_that_is_not_there_is_refused(tmp_path: Path) -> None:
    publish(tmp_path)
    with pytest.raises(ArtifactRefused, match="no variant int8, only fp32"):
        load(tmp_path, variant="int8")


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused, match="no artifact nothing in the store; export it with `python -m training"):
        load(tmp_path, "nothing")


def test_an_image_without_the_training_half_names_the_one_that_has_it() -> None:
    assert "docker compose up exporter" in remedy(can_export=False)
    assert "make" not in remedy(can_export=False).split()


def test_the_operator_may_plan(tmp_path: Path) -> None:
    publish(tmp_path)
    plan = load(tmp_path, lanes="3", threads="2").plan
    assert (plan.lanes, plan.threads) == (3, 2)
    assert "operator" in plan.reason


def _republish(root: Path, change: Callable[[Path], None]) -> None:
    """Publish an artifact whose labels or golden vectors were wrong from the start, so that no digest tells."""

    def write(staging: Staging) -> Manifest:
        manifest = fill("brightness", {"fp32": 1.0})(staging)
        change(staging.folder)
        refs = {"labels": file_ref(staging.folder / "labels.json"), "golden": file_ref(staging.folder / "golden.npz")}
        return manifest.model_copy(update=refs)

    Store(root).build("brightness", write)


def _rewrite_golden(**changes: np.ndarray) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with np.load(folder / "golden.npz") as archive:
            arrays = {key: archive[key] for key in archive.files} | changes
        np.savez(folder / "golden.npz", **arrays)

    return change


def _label_too_many(folder: Path) -> None:
    Labels((*CLASSES.classes, Label("grey", None))).write(folder / "labels.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_label_too_many, "3 labels for 2 classes"),
        (_rewrite_golden(media_1=np.frombuffer(b"no picture", np.uint8)), "golden picture 1 cannot be decoded"),
        (_rewrite_golden(media_1=np.frombuffer(picture(90), np.uint8)), "golden picture 1 is decoded differently"),
        (_rewrite_golden(**{"output.fp32": np.full((2, 2), np.nan, np.float32)}), "fp32 differs"),
        (_rewrite_golden(**{"output.fp32": np.zeros((2, 3), np.float32)}), "fp32 differs"),
    ],
)
def test_an_artifact_that_was_published_wrong_is_refused(
    tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    _republish(tmp_path, change)
    with pytest.raises(ArtifactRefused, match=words):
        load(tmp_path)


def test_an_artifact_without_golden_vectors_proves_nothing_and_is_refused(tmp_path: Path) -> None:
    def empty(folder: Path) -> None:
        none = {"input": np.zeros((0, 8, 8, 3), np.uint8), "output.fp32": np.zeros((0, 2), np.float32)}
        np.savez(folder / "golden.npz", **none)  # type: ignore[arg-type]  # as above

    _republish(tmp_path, empty)
    with pytest.raises(ArtifactRefused, match="no golden outputs for fp32"):
        load(tmp_path)


def test_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    card = publish(tmp_path).folder / "model-card.md"
    card.write_text("brightnezz", "utf-8")
    with pytest.raises(ArtifactRefused, match=r"sha256 of model-card\.md"):
        load(tmp_path)


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")  # there is none in this build
def test_a_gpu_takes_fp32(tmp_path: Path) -> None:
    publish(tmp_path, fp32=1.0, int8=1.0)
    placement = Placement("cuda", "cuda", "asked for")
    model = Loader(Store(tmp_path), Settings(artifacts=tmp_path), placement, time.monotonic).load("brightness")
    assert model.variant == "fp32"


@pytest.mark.parametrize(("requested", "notes"), [("auto", ("no GPU",)), ("cpu", ())])
def test_a_fallback_is_mentioned(tmp_path: Path, requested: Literal["auto", "cpu"], notes: tuple[str, ...]) -> None:
    publish(tmp_path)
    placement = Placement("cpu", requested, "no GPU")
    loader = Loader(Store(tmp_path), Settings(artifacts=tmp_path), placement, time.monotonic)
    assert loader.load("brightness").notes == notes
