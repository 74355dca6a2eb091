"""Who stands where, and that whoever leaves is seen off: answered, counted until then, and released."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from models.store import Store
from service.admission import Job
from service.engine import Engine
from service.errors import Draining, NotReady
from service.loader import Loader
from service.onnx_runner import place
from service.roster import Entry, Roster, ServedModel
from service.settings import Settings
from tests.artifacts import picture, publish

PATIENCE_S = 10.0
NAME = "brightness"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[], ServedModel]:
    """Publishes the next version and loads it."""
    loader = Loader(Store(tmp_path), Settings(artifacts=tmp_path), place("cpu"), time.monotonic)

    def load_next() -> ServedModel:
        publish(tmp_path, NAME)
        return loader.load(NAME)

    return load_next


@pytest.fixture
def roster() -> Iterator[Roster]:
    made = Roster([Entry("first", None), Entry(NAME, None), Entry("last", None)])
    yield made
    made.stop(PATIENCE_S)


def serve(roster: Roster, model: ServedModel) -> Entry:
    """Let a model take its place."""
    old = next(each for each in roster.entries if each.reference == NAME)
    new = replace(old, model=model, state="ready", reason="")
    assert roster.put(old, new)
    return new


def await_true(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came true"


def references(roster: Roster) -> list[str]:
    return [each.reference for each in roster.entries]


def answer(model: ServedModel) -> float:
    future = model.engine.submit(picture(200), PATIENCE_S).future
    return float(future.result(PATIENCE_S).probabilities[1])


def test_an_entry_keeps_its_place_and_a_new_one_takes_the_last(roster: Roster) -> None:
    first = roster.entries[0]
    roster.put(first, replace(first, state="failed", reason="why"))
    roster.put(Entry("new", None), Entry("new", None))
    assert [(each.reference, each.state) for each in roster.entries] == [
        ("first", "failed"), (NAME, "loading"), ("last", "loading"), ("new", "loading"),
    ]  # fmt: skip
    roster.put(first, None)
    assert references(roster) == [NAME, "last", "new"]
    roster.put(first, None)
    assert references(roster) == [NAME, "last", "new"]


def test_what_comes_is_started_and_what_goes_is_released(roster: Roster, load: Callable[[], ServedModel]) -> None:
    old = load()
    entry = serve(roster, old)
    assert answer(old) == pytest.approx(200 / 255, abs=1e-6)
    seen = weakref.ref(old)
    del old, entry
    new = load()
    serve(roster, new)
    await_true(lambda: seen() is None)  # its sessions with it, without a garbage collection
    assert answer(new) == pytest.approx(200 / 255, abs=1e-6)
    assert roster.retired == ()


def test_what_goes_answers_whom_it_had_let_in(roster: Roster, load: Callable[[], ServedModel]) -> None:
    old = load()
    entry = serve(roster, old)
    with ExitStack() as held:
        held.enter_context(old.engine.admit())
        roster.put(entry, None)
        assert roster.retired == (old,)
        assert references(roster) == ["first", "last"]
        assert answer(old) == pytest.approx(200 / 255, abs=1e-6)
        await_true(lambda: not _lets_in(old))
        assert roster.retired == (old,)
    await_true(lambda: roster.retired == ())
    with pytest.raises(Draining):
        old.engine.submit(b"", PATIENCE_S)


def _lets_in(model: ServedModel) -> bool:
    try:
        with model.engine.admit():
            return True
    except NotReady:
        return False


def test_a_new_state_of_the_same_model_retires_nothing(roster: Roster, load: Callable[[], ServedModel]) -> None:
    entry = serve(roster, load())
    roster.put(entry, replace(entry, reason="a note"))
    assert roster.retired == ()
    assert entry.model is not None
    assert answer(entry.model) == pytest.approx(200 / 255, abs=1e-6)


def test_after_the_end_nothing_comes(roster: Roster, load: Callable[[], ServedModel]) -> None:
    leaving, serving, late = load(), load(), load()
    with leaving.engine.admit():
        serve(roster, leaving)
        serve(roster, serving)
        roster.stop(PATIENCE_S)  # does not wait for the one who is still inside
    entry = roster.entries[1]
    assert entry.model is serving
    assert not roster.put(entry, replace(entry, model=late))
    assert roster.entries[1].model is serving
    seen = weakref.ref(late)
    del late
    assert seen() is None
    await_true(lambda: not [each for each in threading.enumerate() if f"-{NAME}" in each.name])
    for model in (leaving, serving):
        with pytest.raises(Draining):
            model.engine.submit(b"", PATIENCE_S)


@pytest.mark.parametrize(
    ("reference", "given", "answers"),
    [("m", "m", True), ("m", "m@1", False), ("m@1", "m", True), ("m@1", "m@1", True), ("m@1", "m@2", False),
     ("m", "x", False), ("m", "m@", False), ("m@1", "m@", False), ("m", "", False)],
)  # fmt: skip
def test_an_entry_answers_to_its_name_and_its_version(reference: str, given: str, answers: bool) -> None:
    assert Entry(reference, None).answers_to(given) is answers


def test_the_end_says_whether_a_lane_is_still_busy(roster: Roster, load: Callable[[], ServedModel]) -> None:
    entered, opened = threading.Event(), threading.Event()

    def stand_still(jobs: Sequence[Job[None, None]]) -> Sequence[None]:
        entered.set()
        assert opened.wait(PATIENCE_S)
        return [None for _ in jobs]

    engine = Engine(NAME, stand_still, capacity=1, lanes=1, max_batch=1, clock=time.monotonic)
    serve(roster, replace(load(), engine=engine))
    with engine.admit():
        engine.submit(None, PATIENCE_S)
        assert entered.wait(PATIENCE_S)
        assert not roster.stop(0.01)
        opened.set()
        assert roster.stop(PATIENCE_S)
