"""Which model answers, and whether all are ready."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from models.manifest import Manifest, Task
from models.store import Staging, Store
from service.admission import Arrival
from service.engine import Engine
from service.errors import Draining, ModelNotFound, NotReady
from service.loader import Loader
from service.onnx_runner import place
from service.plan import Plan
from service.registry import Registry
from service.roster import ServedModel
from service.settings import Settings
from service.vision.classify import ImageModel
from tests.artifacts import fill, picture, publish

TASK: Task = "image-classification"
PATIENCE_S = 10.0


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


def _of_another_task(staging: Staging) -> Manifest:
    manifest = fill("inner", {"fp32": 1.0})(staging)
    return manifest.model_copy(update={"task": "voice-activity-detection"})


@pytest.mark.parametrize("change", ["load", "reload", "unload"])
def test_a_model_that_works_inside_of_others_is_none_to_ask_for(
    registry: Registry, tmp_path: Path, change: str
) -> None:
    Store(tmp_path).build("inner", _of_another_task)
    words = "inner does voice-activity-detection for other models and is not served by itself"
    with pytest.raises(ModelNotFound, match=words):
        getattr(registry, change)("inner")
    with pytest.raises(ModelNotFound, match=words):
        registry.find(ImageModel, TASK, "inner")


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


Make = Callable[..., Registry]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes registries over a store with two versions of `m`, and stops them in the end."""
    publish(tmp_path, "m")
    publish(tmp_path, "m")
    made: list[Registry] = []

    def make(*references: str) -> Registry:
        loader = Loader(Store(tmp_path), Settings(artifacts=tmp_path), place("cpu"), time.monotonic)
        made.append(Registry(references, Store(tmp_path), loader.load))
        made[-1].load_all()
        return made[-1]

    yield make
    for each in made:
        each.stop(PATIENCE_S)


def served(registry: Registry, reference: str | None = None) -> str:
    """The version that answers."""
    with registry.receive(ImageModel, TASK, reference, "") as (model, _):
        got = model.engine.submit(picture(200), PATIENCE_S).future.result(PATIENCE_S)
    assert got.probabilities[1] == pytest.approx(200 / 255, abs=1e-6)
    return model.manifest.version


def shown(registry: Registry) -> list[tuple[str, str, bool]]:
    return [(each.reference, each.state, each.is_configured) for each in registry.entries]


def await_true(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came true"


def test_a_reload_takes_the_newest_version(make: Make, tmp_path: Path) -> None:
    registry = make("m")
    assert served(registry) == "2"
    publish(tmp_path, "m")
    assert served(registry) == "2"
    entry = registry.reload("m")
    assert (entry.state, entry.model and entry.model.id) == ("ready", "m@3")
    assert [served(registry, reference) for reference in (None, "m", "m@3")] == ["3", "3", "3"]
    with pytest.raises(ModelNotFound, match="m@2 is published but not loaded"):
        served(registry, "m@2")
    assert registry.why_not_ready() is None


def test_a_reload_keeps_to_a_version_that_is_configured(make: Make) -> None:
    registry = make("m@1")
    assert served(registry) == "1"
    registry.reload("m")
    assert served(registry) == "1"


def test_a_request_that_was_let_in_is_answered_by_the_version_that_let_it_in(make: Make, tmp_path: Path) -> None:
    registry = make("m")
    with registry.receive(ImageModel, TASK, None, "") as (old, _):
        publish(tmp_path, "m")
        registry.reload("m")
        assert served(registry) == "3"
        assert registry.draining("m") == ["2"]
        assert registry.draining("other") == []
        answer = old.engine.submit(picture(200), PATIENCE_S).future.result(PATIENCE_S)
        assert answer.probabilities[1] == pytest.approx(200 / 255, abs=1e-6)
        assert old.manifest.version == "2"
    await_true(lambda: registry.draining("m") == [])


def test_no_request_fails_while_versions_change(make: Make, tmp_path: Path) -> None:
    registry = make("m")
    is_over = threading.Event()
    seen: list[list[int]] = [[] for _ in range(3)]
    failures: list[BaseException] = []

    def ask(versions: list[int]) -> None:
        try:
            while not is_over.is_set():
                versions.append(int(served(registry)))
        except BaseException as error:
            failures.append(error)

    clients = [threading.Thread(target=ask, args=(versions,)) for versions in seen]
    for client in clients:
        client.start()
    for _ in range(8):
        publish(tmp_path, "m")
        registry.reload("m")
    is_over.set()
    for client in clients:
        client.join(PATIENCE_S)
    assert not failures
    for versions in seen:
        assert versions == sorted(versions)
    await_true(lambda: registry.retired == ())


class Hesitant(Engine[int, int]):
    """An engine at whose door something happens."""

    def __init__(self) -> None:
        super().__init__("m", lambda jobs: [0 for _ in jobs], capacity=4, lanes=1, max_batch=1, clock=time.monotonic)
        self.at_the_door: Callable[[], None] = lambda: None

    def receive(self, client: str) -> AbstractContextManager[Arrival]:
        self.at_the_door()
        return super().receive(client)


def test_nothing_is_replaced_between_being_found_and_being_entered(tmp_path: Path) -> None:
    manifest = publish(tmp_path, "m").manifest
    made = Registry(
        ["m"], Store(tmp_path), lambda _: ServedModel(manifest, "fp32", "cpu", Plan(1, 1, 1, ""), (), Hesitant())
    )
    made.load_all()
    (old,) = made.ready()
    reloading = threading.Thread(target=made.reload, args=("m",))

    def reload() -> None:
        reloading.start()
        reloading.join(0.2)  # it has to wait for the door

    assert isinstance(old.engine, Hesitant)
    old.engine.at_the_door = reload
    with made.receive(ServedModel, TASK, None, "") as (model, _):
        assert model is old
    reloading.join(PATIENCE_S)
    assert made.ready() != [old]
    made.stop(PATIENCE_S)


@pytest.mark.parametrize("is_damaged", [True, False], ids=["a changed byte", "wrong outputs"])
def test_a_version_that_is_refused_leaves_the_old_one_serving_and_holds_nothing(
    make: Make, tmp_path: Path, is_damaged: bool
) -> None:
    registry = make("m")
    artifact = publish(tmp_path, "m", fp32=1.0 if is_damaged else 0.5)
    if is_damaged:
        path = artifact.folder / "model.fp32.onnx"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    words = "the sha256 of model.fp32.onnx" if is_damaged else "fp32 differs from its golden vectors"
    with pytest.raises(NotReady, match=f"m was not loaded: m@3: {words}.*; m@2 goes on serving") as refusal:
        registry.reload("m")
    assert refusal.value.__context__ is None  # or it would hold the sessions that were opened by half
    assert str(tmp_path) not in refusal.value.detail
    assert served(registry) == "2"
    assert registry.why_not_ready() is None
    assert (registry.draining("m"), shown(registry)) == ([], [("m", "ready", True)])


def test_what_failed_at_the_start_is_brought_by_a_reload(make: Make, tmp_path: Path) -> None:
    registry = make("m", "late")
    with pytest.raises(ModelNotFound, match="there is no model late in the store"):
        registry.reload("late")
    assert registry.why_not_ready() is not None
    publish(tmp_path, "late")
    registry.reload("late")
    assert registry.why_not_ready() is None
    assert served(registry, "late") == "1"


def test_a_model_is_loaded_beside_the_configured_ones_and_dropped_again(make: Make, tmp_path: Path) -> None:
    publish(tmp_path, "beside")
    registry = make("m")
    registry.load("beside")
    assert shown(registry) == [("m", "ready", True), ("beside", "ready", False)]
    assert served(registry, "beside") == "1"
    assert served(registry) == "2"
    registry.unload("beside")
    assert shown(registry) == [("m", "ready", True)]
    with pytest.raises(ModelNotFound, match="beside is published but not loaded"):
        served(registry, "beside")
    assert registry.why_not_ready() is None


def test_another_version_takes_the_place_of_the_one_that_the_bare_name_serves(make: Make) -> None:
    registry = make("m")
    registry.load("m@1")
    assert [served(registry, reference) for reference in (None, "m", "m@1")] == ["1", "1", "1"]
    assert shown(registry) == [("m", "ready", True)]
    registry.reload("m")
    assert served(registry) == "2"


def test_another_version_stands_beside_one_that_is_configured_by_number(make: Make) -> None:
    registry = make("m@1")
    registry.load("m@2")
    assert [served(registry, reference) for reference in (None, "m", "m@1", "m@2")] == ["1", "1", "1", "2"]
    registry.unload("m@2")
    assert shown(registry) == [("m@1", "ready", True)]


def test_what_is_served_already_is_not_loaded_again(make: Make, tmp_path: Path) -> None:
    registry = make("m")
    (model,) = registry.ready()
    publish(tmp_path, "m")
    for reference in ("m", "m@2"):
        registry.load(reference)
    assert registry.ready() == [model]


def test_a_configured_model_that_is_unloaded_is_missed(make: Make) -> None:
    registry = make("m")
    for _ in range(2):
        assert registry.unload("m").state == "unloaded"
        assert registry.why_not_ready() == "m: it was unloaded; POST /models/m/load brings it back"
    with pytest.raises(NotReady, match="m is not ready: it was unloaded"):
        served(registry)
    with pytest.raises(ModelNotFound, match="m is published but not loaded"):
        served(registry, "m")
    registry.load("m")
    assert served(registry) == "2"
    assert registry.why_not_ready() is None


def test_a_model_configured_by_number_is_brought_back_by_its_name(make: Make) -> None:
    registry = make("m@1")
    registry.unload("m")
    registry.load("m")
    assert shown(registry) == [("m@1", "ready", True)]
    assert served(registry) == "1"


@pytest.mark.parametrize("reference", ["nothing", "m@9", "../m", "m@", "@1", "x" * 300])
def test_what_is_not_there_is_not_found(make: Make, reference: str) -> None:
    registry = make("m")
    for change in (registry.load, registry.reload, registry.unload):
        with pytest.raises(ModelNotFound, match="there is no model"):
            change(reference)
        assert [each[0] for each in shown(registry)] == ["m"]


def test_a_model_that_cannot_be_loaded_leaves_no_entry(make: Make, tmp_path: Path) -> None:
    publish(tmp_path, "broken", fp32=0.5)
    registry = make("m")
    with pytest.raises(NotReady, match="broken was not loaded: broken@1: fp32 differs") as refusal:
        registry.load("broken")
    assert "goes on serving" not in refusal.value.detail
    assert shown(registry) == [("m", "ready", True)]


def test_while_it_is_loaded_it_is_shown(tmp_path: Path) -> None:
    publish(tmp_path, "m")
    states: list[list[tuple[str, str, bool]]] = []

    def load(reference: str) -> ServedModel:
        states.append(shown(made))
        raise NotReady("no")

    made = Registry([], Store(tmp_path), load)
    with pytest.raises(NotReady):
        made.load("m")
    assert states == [[("m", "loading", False)]]


def test_what_is_loaded_when_all_ends_is_let_go(tmp_path: Path) -> None:
    publish(tmp_path, "m")
    loader = Loader(Store(tmp_path), Settings(artifacts=tmp_path), place("cpu"), time.monotonic)
    opened: list[weakref.ref[ServedModel]] = []

    def load(reference: str) -> ServedModel:
        model = loader.load(reference)
        opened.append(weakref.ref(model))
        ending = threading.Thread(target=made.stop, args=(PATIENCE_S,))
        ending.start()
        ending.join(PATIENCE_S)
        assert not ending.is_alive()  # it does not wait for the load
        return model

    made = Registry(["m"], Store(tmp_path), load)
    made.load_all()
    assert made.ready() == []
    assert [each() for each in opened] == [None]
    for change in (made.load, made.reload, made.unload):
        with pytest.raises(Draining):
            change("m")
    assert len(opened) == 1
