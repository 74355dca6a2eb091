"""Permits, the bounded queue, and jobs that nobody waits for."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admission import BoundedQueue, Job
from service.errors import DeadlineExceeded, Draining, NotReady, QueueFull


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def queue(capacity: int = 3, lanes: int = 2, time: Time | None = None) -> BoundedQueue[str, str]:
    return BoundedQueue(capacity, lanes, time or Time())


def test_the_last_place_is_given_and_the_next_is_refused() -> None:
    places = queue(capacity=2)
    with places.permit(), places.permit():
        assert places.admitted == 2
        with pytest.raises(QueueFull), places.permit():
            pass
    assert places.admitted == 0


def test_a_place_is_given_back_whatever_happens() -> None:
    places = queue(capacity=1)
    with pytest.raises(KeyError), places.permit():
        raise KeyError
    with places.permit():
        pass


@given(seconds=st.floats(0.01, 100), lanes=st.integers(1, 8), taken=st.integers(1, 20))
def test_retry_after_follows_the_measured_rate(seconds: float, lanes: int, taken: int) -> None:
    places = queue(capacity=taken, lanes=lanes)
    places.note_service(seconds)
    held = [places.permit() for _ in range(taken)]
    for each in held:
        each.__enter__()
    with pytest.raises(QueueFull) as refusal, places.permit():
        pass
    assert refusal.value.retry_after_s == pytest.approx(max(1.0, taken * seconds / lanes / 2))


def test_jobs_leave_in_the_order_in_which_they_came() -> None:
    waiting = queue()
    jobs = [waiting.put(text, 200.0) for text in "abc"]
    assert waiting.depth == 3
    assert waiting.take(2) == jobs[:2]
    assert waiting.take(5) == jobs[2:]
    assert waiting.depth == 0


def test_an_abandoned_job_leaves_the_line_at_once() -> None:
    waiting = queue()
    gone, next_one = waiting.put("gone", 200.0), waiting.put("next", 200.0)
    assert waiting.discard(gone)
    assert gone.is_abandoned
    assert waiting.take(5) == [next_one]


def test_a_running_job_is_told_and_not_taken_away() -> None:
    waiting = queue()
    job = waiting.put("a", 200.0)
    waiting.take(1)
    assert job.begin(101.0)
    assert not waiting.discard(job)
    assert job.is_abandoned
    job.future.set_result("it ran to its end all the same")


def test_a_job_knows_how_long_it_waited() -> None:
    job: Job[str, str] = Job("a", enqueued_at=100.0, deadline=200.0)
    assert job.queue_s == 0.0
    assert job.begin(103.5)
    assert job.queue_s == 3.5


def test_a_job_past_its_deadline_is_not_begun() -> None:
    job: Job[str, str] = Job("a", enqueued_at=100.0, deadline=200.0)
    assert not job.begin(200.1)
    with pytest.raises(DeadlineExceeded):
        job.future.result(0)


def test_a_cancelled_job_is_not_begun() -> None:
    job: Job[str, str] = Job("a", enqueued_at=100.0, deadline=200.0)
    job.abandon()
    assert not job.begin(101.0)


def test_a_closed_queue_refuses_and_lets_the_lanes_finish() -> None:
    waiting = queue()
    job = waiting.put("a", 200.0)
    waiting.close()
    with pytest.raises(Draining):
        waiting.put("b", 200.0)
    with pytest.raises(Draining), waiting.permit():
        pass
    assert waiting.take(9) == [job]
    assert waiting.take(9) == []


def test_a_waiting_lane_is_woken_by_work_and_by_the_end() -> None:
    waiting = queue()
    taken: list[list[Job[str, str]]] = []
    lane = threading.Thread(target=lambda: taken.extend(iter(lambda: waiting.take(1), [])))
    lane.start()
    job = waiting.put("a", 200.0)
    waiting.close()
    lane.join(10)
    assert taken == [[job]]


def test_the_rate_is_a_running_mean() -> None:
    places = queue(capacity=1, lanes=1)
    places.note_service(10.0)
    places.note_service(20.0)
    with places.permit(), pytest.raises(QueueFull) as refusal, places.permit():
        pass
    assert refusal.value.retry_after_s == pytest.approx(12.0 / 2)


def test_a_retired_queue_serves_whom_it_let_in_and_closes_behind_the_last() -> None:
    waiting = queue()
    with waiting.permit(), waiting.permit():
        waiting.retire()
        with pytest.raises(NotReady, match="replaced or unloaded"), waiting.permit():
            pass
        job = waiting.put("a", 200.0)
    assert waiting.take(9) == [job]
    assert waiting.take(9) == []
    with pytest.raises(Draining):
        waiting.put("b", 200.0)


def test_a_retired_queue_that_nobody_is_in_wakes_its_lane_at_once() -> None:
    waiting = queue()
    lane = threading.Thread(target=waiting.take, args=(1,))
    lane.start()
    waiting.retire()
    lane.join(10)
    assert not lane.is_alive()


def test_an_arrival_takes_its_place_when_it_is_whole_and_gives_it_back_at_the_end() -> None:
    places = queue(capacity=1)
    with places.arrival("a") as first, places.arrival("a") as second:
        assert places.admitted == 2
        first.settle()
        first.settle()
        assert places.admitted == 2
        with pytest.raises(QueueFull), places.arrival("a"):
            pass
        with pytest.raises(QueueFull):
            second.settle()
        assert places.admitted == 1
    assert places.admitted == 0
    with places.permit("a"):
        pass


def test_what_arrives_slowly_refuses_nobody() -> None:
    places = queue(capacity=8)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(places.arrival("slow"))
        for _ in range(8):
            with places.arrival("slow") as brisk:
                brisk.settle()
    assert places.admitted == 0


def test_a_retired_queue_waits_for_what_still_arrives() -> None:
    waiting = queue()
    with waiting.arrival("a") as arrival:
        waiting.retire()
        with pytest.raises(NotReady), waiting.arrival("b"):
            pass
        arrival.settle()
        job = waiting.put("a", 200.0)
    assert waiting.take(9) == [job]
    assert waiting.take(9) == []
    with pytest.raises(Draining):
        waiting.put("b", 200.0)


def test_a_closed_queue_lets_nobody_arrive() -> None:
    waiting = queue()
    waiting.close()
    with pytest.raises(Draining), waiting.arrival("a"):
        pass
