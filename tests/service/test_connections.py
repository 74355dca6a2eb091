"""Who goes when one more comes, and how many there may be."""

from __future__ import annotations

import logging

import pytest

from service.connections import Connections, Stage, affordable
from tests.wires import Time


class Fake:
    """A connection that notes what happens to it."""

    def __init__(self, stage: Stage, since: float) -> None:
        self.stage = stage
        self.since = since
        self.is_given_up = False
        self.looked_at: list[float] = []

    def give_up(self) -> None:
        self.is_given_up = True

    def look(self, now: float) -> None:
        self.looked_at.append(now)


def full(*members: Fake, time: Time | None = None) -> Connections:
    connections = Connections(len(members), time or Time())
    for each in members:
        assert connections.enter(each)
    return connections


def test_below_the_limit_nobody_is_closed() -> None:
    silent = Fake(Stage.SILENT, 0.0)
    connections = Connections(2, Time())
    assert connections.enter(silent)
    assert connections.enter(Fake(Stage.SILENT, 0.0))
    assert not silent.is_given_up


def test_the_cheapest_to_lose_goes_first_and_of_a_kind_the_oldest() -> None:
    members = [
        Fake(Stage.BUSY, 1.0), Fake(Stage.UPLOADING, 3.0), Fake(Stage.UPLOADING, 2.0), Fake(Stage.SILENT, 5.0),
        Fake(Stage.SILENT, 4.0), Fake(Stage.IDLE, 7.0), Fake(Stage.IDLE, 6.0), Fake(Stage.ENDING, 9.0),
    ]  # fmt: skip
    connections = full(*members)
    for expected in reversed(members[1:]):
        newcomer = Fake(Stage.BUSY, 99.0)
        assert connections.enter(newcomer)
        assert expected.is_given_up
        assert len(connections) == len(members)
    assert not members[0].is_given_up


def test_who_is_being_answered_is_never_closed() -> None:
    members = [Fake(Stage.BUSY, 0.0), Fake(Stage.BUSY, 1.0)]
    connections = full(*members)
    assert not connections.enter(Fake(Stage.SILENT, 100.0))
    assert not any(each.is_given_up for each in members)
    assert len(connections) == 2


def test_an_upload_has_a_moment_before_it_can_be_given_up() -> None:
    time = Time()
    upload = Fake(Stage.UPLOADING, time.now)
    connections = full(upload, time=time)
    assert not connections.enter(Fake(Stage.SILENT, time.now))
    time.now += 2.0
    assert connections.enter(Fake(Stage.SILENT, time.now))
    assert upload.is_given_up


def test_who_has_left_is_forgotten() -> None:
    member = Fake(Stage.BUSY, 0.0)
    connections = full(member)
    connections.leave(member)
    assert connections.enter(Fake(Stage.BUSY, 1.0))


def test_everybody_is_looked_at() -> None:
    time = Time()
    members = [Fake(Stage.IDLE, 0.0), Fake(Stage.BUSY, 0.0)]
    full(*members, time=time).look()
    assert [each.looked_at for each in members] == [[time.now], [time.now]]


def test_the_limit_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    time = Time()
    connections = full(Fake(Stage.IDLE, 0.0), time=time)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert connections.enter(Fake(Stage.IDLE, 0.0))
        assert connections.enter(Fake(Stage.IDLE, 0.0))
        connections.look()
        assert len(caplog.records) == 1
        time.now += 11.0
        connections.look()
        connections.look()
    assert [record.getMessage() for record in caplog.records] == [
        "the limit of 1 open connections was met: 1 were closed that were idle, silent or slow, 0 turned away",
        "the limit of 1 open connections was met: 5 were closed that were idle, silent or slow, 0 turned away",
    ]


@pytest.mark.parametrize(
    ("files", "wanted", "expected"),
    [(64, 1000, 16), (1024, 1000, 496), (4096, 1000, 1000), (4096, 5, 5), (20, 1000, 4)],
)
def test_as_many_as_files_can_be_opened_for(files: int, wanted: int, expected: int) -> None:
    assert affordable(wanted, files) == expected
    assert 1 <= affordable(wanted) <= wanted
