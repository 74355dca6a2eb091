"""Which model answers, and whether all are ready."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.manifest import Task
from models.store import Store
from service.errors import ModelNotFound, NotReady
from service.loader import Loader
from service.onnx_runner import place
from service.registry import Registry, ServedModel
from service.settings import Settings
from service.vision.classify import ImageModel
from tests.artifacts import publish

TASK: Task = "image-classification"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    publish(tmp_path, "first")
    publish(tmp_path, "first")
    publish(tmp_path, "second")
    publish(tmp_path, "idle")
    store = Store(tmp_path)
    loader = Loader(store, Settings(artifacts=tmp_path), place("cpu"), time.monotonic)
    made = Registry(["first@1", "second", "missing"], store, loader.load)
    yield made
    made.stop(10.0)


def test_nothing_is_ready_before_it_is_loaded(registry: Registry) -> None:
    assert registry.why_not_ready() is not None
    with pytest.raises(NotReady, match="first@1 is not ready"):
        registry.find(ImageModel, TASK, None)


def test_one_that_fails_is_named_and_the_others_answer(registry: Registry) -> None:
    registry.load_all()
    reason = registry.why_not_ready()
    assert reason is not None
    assert reason.startswith("missing: ")
    assert registry.find(ImageModel, TASK, None).manifest.name == "first"
    assert registry.find(ImageModel, TASK, "second").manifest.name == "second"
    with pytest.raises(NotReady):
        registry.find(ImageModel, TASK, "missing")


@pytest.mark.parametrize("reference", ["first", "first@1"])
def test_a_version_is_part_of_the_name(registry: Registry, reference: str) -> None:
    registry.load_all()
    assert registry.find(ImageModel, TASK, reference).manifest.version == "1"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("first@2", "published but not loaded"),
        ("idle", "published but not loaded"),
        ("nothing", "there is no model nothing; loaded for image-classification: first@1, second"),
        ("../etc", "there is no model"),
        ("x" * 300, "there is no model x+; loaded"),
        ("first@" + "1" * 300, "there is no model first@1+; loaded"),
    ],
)
def test_what_is_not_loaded_is_not_found_in_words(registry: Registry, reference: str, words: str) -> None:
    registry.load_all()
    with pytest.raises(ModelNotFound, match=words):
        registry.find(ImageModel, TASK, reference)


def test_a_model_of_another_task_is_not_found(registry: Registry) -> None:
    registry.load_all()
    with pytest.raises(ModelNotFound, match="does not do speech-recognition"):
        registry.find(ServedModel, "speech-recognition", "first")


def test_an_unexpected_failure_is_ours_and_says_nothing_of_the_inside(tmp_path: Path) -> None:
    def explode(_: str) -> ServedModel:
        raise KeyError("secret path")

    registry = Registry(["x"], Store(tmp_path), explode)
    registry.load_all()
    assert registry.why_not_ready() == "x: an internal error, described in the log"


def test_nothing_more_is_loaded_after_the_end(tmp_path: Path) -> None:
    asked: list[str] = []

    def load(reference: str) -> ServedModel:
        asked.append(reference)
        made.stop(0.0)
        raise NotReady("no")

    made = Registry(["a", "b"], Store(tmp_path), load)
    made.load_all()
    assert asked == ["a"]
