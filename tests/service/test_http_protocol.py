"""A connection from its opening to its end: refusals in their turn, and what has taken too long."""

from __future__ import annotations

import asyncio

from service.connections import Connections, Stage
from tests.wires import HEADER_TIMEOUT_S, Time, Wire, echo, held_back, run

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\npho"


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async def scene() -> list[int]:
        opened = asyncio.Event()
        wire = Wire(held_back(opened))
        await wire.send(GET + GET + b"nonsense\r\n\r\n")
        assert wire.answers == []
        opened.set()
        await wire.settle()
        assert wire.transport.has_said_eof
        return [each.status for each in wire.answers]

    assert run(scene()) == [200, 200, 400]


def test_a_client_that_leaves_ends_what_it_asked_for() -> None:
    async def scene() -> int:
        opened = asyncio.Event()
        wire = Wire(held_back(opened))
        await wire.send(GET * 300)
        wire.transport.abort()
        opened.set()
        await wire.settle()
        return len(wire.connections)

    assert run(scene()) == 0


def test_a_header_that_takes_too_long_gets_408() -> None:
    async def scene() -> None:
        wire = Wire()
        await wire.send(GET[:20])
        await wire.pass_time(HEADER_TIMEOUT_S / 2)
        await wire.send(GET[20:22])
        assert wire.protocol.stage is Stage.SILENT
        assert wire.answers == []
        await wire.pass_time(HEADER_TIMEOUT_S / 2 + 1)
        (answer,) = wire.answers
        assert (answer.status, answer.content["code"]) == (408, "request_timeout")
        assert wire.transport.has_said_eof

    run(scene())


def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async def scene() -> None:
        wire = Wire()
        await wire.pass_time(HEADER_TIMEOUT_S - 1)
        assert not wire.transport.is_closing()
        await wire.pass_time(2)
        assert wire.transport.is_closing()
        assert wire.transport.written == b""

    run(scene())


def test_a_stray_line_end_behind_a_request_is_no_header() -> None:
    async def scene() -> None:
        wire = Wire()
        await wire.send(GET + b"\r\n")
        await wire.pass_time(HEADER_TIMEOUT_S + 1)
        await wire.send(GET)
        assert [each.status for each in wire.answers] == [200, 200]
        await wire.send(b"\r\n")
        await wire.pass_time(3 * HEADER_TIMEOUT_S)
        assert [each.status for each in wire.answers] == [200, 200]
        assert wire.transport.is_closing()

    run(scene())


def test_the_header_of_a_later_request_has_its_own_time() -> None:
    async def scene() -> None:
        wire = Wire()
        for _ in range(5):
            await wire.send(GET)
            assert wire.protocol.stage is Stage.IDLE
            await wire.pass_time(HEADER_TIMEOUT_S - 1)
        await wire.send(GET[:5])
        await wire.pass_time(HEADER_TIMEOUT_S - 1)
        assert [each.status for each in wire.answers] == [200] * 5
        await wire.pass_time(2)
        assert [each.status for each in wire.answers] == [200] * 5 + [408]

    run(scene())


def test_a_request_that_is_worked_on_may_take_its_time() -> None:
    async def scene() -> None:
        opened = asyncio.Event()
        wire = Wire(held_back(opened))
        await wire.send(POST)
        stages = [wire.protocol.stage]
        await wire.pass_time(HEADER_TIMEOUT_S * 100)
        await wire.send(b"to" + GET[:9])
        stages.append(wire.protocol.stage)
        assert stages == [Stage.UPLOADING, Stage.BUSY]
        await wire.pass_time(HEADER_TIMEOUT_S * 100)
        opened.set()
        await wire.settle()
        assert [each.status for each in wire.answers] == [200]
        await wire.send(GET[9:])
        assert [each.status for each in wire.answers] == [200, 200]

    run(scene())


def test_a_refused_client_has_a_moment_to_read() -> None:
    async def scene() -> None:
        wire = Wire()
        await wire.send(b"nonsense\r\n\r\n")
        assert wire.protocol.stage is Stage.ENDING
        await wire.send(b"x" * 100_000, GET)
        await wire.pass_time(1)
        assert not wire.transport.is_closing()
        assert len(wire.answers) == 1
        await wire.pass_time(2)
        assert wire.transport.is_closing()

    run(scene())


def test_a_refused_client_that_goes_on_sending_is_cut_off() -> None:
    async def scene() -> None:
        wire = Wire()
        await wire.send(b"nonsense\r\n\r\n", *[b"x" * (1 << 20)] * 9)
        assert wire.transport.is_closing()

    run(scene())


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    async def scene() -> None:
        wire = Wire(held_back(asyncio.Event()))
        await wire.send(GET)
        wire.protocol.pause_writing()
        await wire.pass_time(20)
        wire.protocol.resume_writing()
        await wire.pass_time(20)
        wire.protocol.pause_writing()
        await wire.pass_time(29)
        assert not wire.transport.is_closing()
        await wire.pass_time(2)
        assert wire.transport.is_closing()

    run(scene())


def test_a_connection_too_many_is_closed_and_a_silent_one_gives_way() -> None:
    async def scene() -> None:
        time = Time()
        connections = Connections(2, time)
        opened = asyncio.Event()
        busy, silent = (Wire(held_back(opened), connections, time) for _ in range(2))
        await busy.send(GET)
        late = Wire(held_back(opened), connections, time)
        await late.send(GET)
        assert silent.transport.is_closing()
        turned_away = Wire(echo, connections, time)
        assert turned_away.transport.is_closing()
        opened.set()
        await busy.settle()
        assert [each.status for each in (*busy.answers, *late.answers)] == [200, 200]

    run(scene())
