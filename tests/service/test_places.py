"""Who gets a place, who may send, and who gives way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.places import Places, Upload
from tests.wires import Time

CAPACITY = 8
MOST_UPLOADS = 4 * CAPACITY


def places(capacity: int = CAPACITY) -> tuple[Places, Time]:
    time = Time()
    return Places(capacity, time), time


def begin(within: Places, client: str, count: int = 1) -> list[Upload]:
    uploads = [within.begin(client) for _ in range(count)]
    assert None not in uploads
    return [each for each in uploads if each]


def test_one_client_gets_every_place_that_is_named_and_others_a_quarter_more() -> None:
    within, _ = places()
    assert [within.take("a") for _ in range(CAPACITY + 1)] == [True] * CAPACITY + [False]
    assert [within.take("b") for _ in range(3)] == [True, True, False]
    within.give_back("a")
    assert within.take("c")
    assert not within.take("a")


def test_even_of_one_place_one_more_is_kept_for_others() -> None:
    within, _ = places(1)
    assert [within.take(client) for client in "aabb"] == [True, False, True, False]


def test_a_place_that_is_given_back_is_there_again() -> None:
    within, _ = places(1)
    for _ in range(3):
        assert within.take("a")
        within.give_back("a")
    assert within.inside == 0


def test_uploads_take_no_places() -> None:
    within, _ = places()
    begin(within, "a", CAPACITY * 2)
    assert within.taken == 0
    assert [within.take("a") for _ in range(CAPACITY)] == [True] * CAPACITY


def test_at_the_door_uploads_count_for_half_of_the_places() -> None:
    within, _ = places()
    begin(within, "a", CAPACITY)
    for _ in range(CAPACITY // 2):
        assert within.take("a")
        ended = within.begin("a") if within.taken < CAPACITY // 2 else None
        assert (ended is not None) == (within.taken < CAPACITY // 2)
    assert within.begin("a") is None
    assert within.begin("b") is not None


def test_where_all_wait_or_run_nobody_begins_to_send() -> None:
    within, _ = places()
    for client in "abcdefghij":
        assert within.take(client)
    assert within.begin("k") is None


@given(clients=st.integers(1, CAPACITY))
def test_as_many_clients_as_there_are_places_are_never_refused(clients: int) -> None:
    """Each sends, waits and begins anew, all from one address and in any order."""
    within, _ = places()
    uploads = begin(within, "a", clients)
    for _ in range(3):
        for upload in uploads:
            within.end(upload)
            assert within.take("a")
        for place in range(clients):
            within.give_back("a")
            uploads[place] = begin(within, "a")[0]


def test_one_client_may_have_half_of_the_uploads() -> None:
    within, _ = places()
    begin(within, "a", MOST_UPLOADS // 2)
    assert within.begin("a") is None
    begin(within, "b", MOST_UPLOADS // 2)
    assert within.begin("c") is None


def test_the_slowest_of_the_same_client_gives_way_once_it_had_its_moment() -> None:
    within, time = places()
    uploads = begin(within, "a", MOST_UPLOADS // 2)
    others = begin(within, "b")
    for number, each in enumerate(uploads):
        each.received = 1000 + number
    uploads[5].received = 10
    time.now += 2.0
    interrupted: list[int] = []
    uploads[5].interrupt = lambda: interrupted.append(5)
    assert within.begin("a") is not None
    assert [each.has_to_go for each in uploads].index(True) == 5
    assert interrupted == [5]
    assert within.begin("a") is not None
    assert [number for number, each in enumerate(uploads) if each.has_to_go] == [0, 5]
    assert not others[0].has_to_go
    assert within.inside == MOST_UPLOADS // 2 + 1


def test_rates_are_compared_and_not_bytes() -> None:
    within, time = places()
    long = begin(within, "a", MOST_UPLOADS // 2 - 1)
    time.now += 100.0
    for each in long:
        each.received = 100_000
    (short,) = begin(within, "a")
    short.received = 5_000
    time.now += 2.0
    assert within.begin("a") is not None
    assert not short.has_to_go


def test_where_all_uploads_are_taken_the_client_that_has_most_makes_room() -> None:
    within, time = places()
    many, few = begin(within, "a", MOST_UPLOADS // 2), begin(within, "b", MOST_UPLOADS // 4)
    rest = begin(within, "c", MOST_UPLOADS // 4)
    time.now += 2.0
    assert within.begin("d") is not None
    assert sum(each.has_to_go for each in many) == 1
    assert not any(each.has_to_go for each in (*few, *rest))


def test_an_upload_that_has_ended_is_forgotten() -> None:
    within, _ = places()
    for upload in begin(within, "a", MOST_UPLOADS // 2):
        within.end(upload)
        within.end(upload)
    assert within.inside == 0
    begin(within, "a", MOST_UPLOADS // 2)
