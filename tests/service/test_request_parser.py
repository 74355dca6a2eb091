"""Any cut of the same bytes gives the same answers; what could be read in two ways, or has no end, gets none."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.incoming import MAX_BYTES, MAX_LINES
from tests.wires import Answer, Wire, held_back, run

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = b"POST /models/m/unload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
JAVA = (  # as java.net.http.HttpClient of JDK 17 sends it
    b"Connection: Upgrade, HTTP2-Settings\r\n%sHost: localhost:8000\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/17\r\n"
)


def post(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /p HTTP/1.1", b"Host: x", *lines, b"Content-Length: %d" % len(body), b"", body])


def chunked(*pieces: bytes, lines: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n%s0\r\n\r\n" % (lines, body)


def java(body: bytes) -> bytes:
    return b"POST /p HTTP/1.1\r\n%s\r\n%s" % (JAVA % (b"Content-Length: %d\r\n" % len(body)), body)


UPGRADE = (b"Connection: keep-alive, Upgrade", b"Upgrade: websocket")


def ask(*pieces: bytes) -> tuple[list[Answer], Wire]:
    async def scene() -> tuple[list[Answer], Wire]:
        wire = Wire()
        await wire.send(*pieces)
        return wire.answers, wire

    answers, wire = run(scene())
    return answers, wire


def bodies(*pieces: bytes) -> list[tuple[str, str, str]]:
    return [(each.content["method"], each.content["path"], each.content["body"]) for each in ask(*pieces)[0]]


STREAMS: list[tuple[bytes, list[tuple[str, str, str]]]] = [
    (GET, [("GET", "/a", "")]),
    (java(b"photo"), [("POST", "/p", "photo")]),
    (java(SMUGGLED), [("POST", "/p", SMUGGLED.decode())]),
    (post(SMUGGLED, *UPGRADE) + GET, [("POST", "/p", SMUGGLED.decode()), ("GET", "/a", "")]),
    (chunked(b"ab", SMUGGLED, lines=b"Upgrade: h2c\r\nConnection: upgrade\r\n") + GET,
     [("POST", "/c", "ab" + SMUGGLED.decode()), ("GET", "/a", "")]),
    (b"GET /g HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 3, [("GET", "/g", "")] * 3),
    (post(b"a") + java(b"b") + GET + java(b""),
     [("POST", "/p", "a"), ("POST", "/p", "b"), ("GET", "/a", ""), ("POST", "/p", "")]),
    (b"\r\n" + GET + b"\r\n" + GET, [("GET", "/a", "")] * 2),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "expected"), STREAMS)
def test_requests_are_read_whole_upgrades_or_not(stream: bytes, expected: list[tuple[str, str, str]]) -> None:
    assert bodies(stream) == expected


@given(data=st.data())
def test_any_cut_of_the_same_bytes_gives_the_same_answers(data: st.DataObject) -> None:
    stream, expected = data.draw(st.sampled_from(STREAMS))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    assert bodies(*(stream[start:end] for start, end in pairwise([0, *cuts, len(stream)]))) == expected


def test_bytes_one_by_one_are_enough() -> None:
    stream, expected = STREAMS[6]
    assert bodies(*(stream[place : place + 1] for place in range(len(stream)))) == expected


def test_an_ignored_upgrade_leaves_the_other_lines_as_they_were() -> None:
    headers = ask(java(b"x"))[0][0].content["headers"]
    assert [name for name, _ in headers] == ["connection", "content-length", "host", "http2-settings", "user-agent"]
    assert ["connection", "Upgrade, HTTP2-Settings"] in headers


def test_a_body_of_megabytes_behind_an_upgrade_is_read_whole() -> None:
    photo = bytes(range(1, 256)) * 20_000
    data = java(photo)
    cut = 200_000
    pieces = [data[start : start + cut] for start in range(0, len(data), cut)]
    assert bodies(*pieces) == [("POST", "/p", photo.decode("latin-1"))]


REFUSED = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
    "length, then coding": b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding, then length": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "xchunked": b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a coding before it": b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two lines": b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "in quotes": b'POST / HTTP/1.1\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "an old version in chunks": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "a folded coding": b"POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nA\0b: c\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc",
    "a negative length": b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc",
    "a signed length": b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
    "a hexadecimal length": b"POST / HTTP/1.1\r\nContent-Length: 0x3\r\n\r\nabc",
    "an empty length": b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n",
    "a length beyond 64 bits": b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a line without a colon": b"GET / HTTP/1.1\r\nA\r\n\r\n",
    "no method": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": b"FETCH / HTTP/1.1\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n\r\n",
    "a control character in the target": b"GET /a\x01 HTTP/1.1\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\n\r\n",
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("stream", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("is_cut", [False, True])
def test_framing_that_means_two_things_is_refused_and_the_connection_closed(stream: bytes, is_cut: bool) -> None:
    stream += SMUGGLED
    answers, wire = ask(*([bytes([each]) for each in stream] if is_cut else [stream]))
    assert [(each.status, each.content["code"]) for each in answers] == [(400, "malformed_request")]
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert answers[0].headers["connection"] == "close"
    assert answers[0].content["request_id"] == answers[0].headers["x-request-id"]
    assert wire.transport.has_said_eof
    text = wire.telemetry.exposition().decode()
    assert 'percept_requests_total{model="",route="unmatched",status="400"} 1.0' in text
    assert 'percept_rejected_total{reason="malformed_request"} 1.0' in text


BROKEN_BODIES = {
    "a negative size": b"-1\r\nabc\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\nabc\r\n",
    "a prefix": b"0x3\r\nabc\r\n",
    "a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "a bare line feed": b"3\nabc\r\n0\r\n\r\n",
    "more than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "a bare line feed behind an extension": b"3;a\nabc\r\n0\r\n\r\n",
    "a length in the trailer": b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
}


@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_broken_chunk_is_refused_with_an_id(body: bytes, is_cut: bool) -> None:
    stream = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED
    answers, wire = ask(*([bytes([each]) for each in stream] if is_cut else [stream]))
    assert [(each.status, each.content["code"]) for each in answers] == [(400, "malformed_request")]
    assert answers[0].headers["connection"] == "close"
    assert wire.transport.has_said_eof


def test_a_tunnel_is_not_opened() -> None:
    answers, wire = ask(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED)
    assert [(each.status, each.content["code"]) for each in answers] == [(405, "method_not_allowed")]
    assert wire.transport.has_said_eof


def test_a_trailer_does_not_become_a_header() -> None:
    stream = chunked(b"abc")[:-2] + b"X-API-Key: secret\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"
    (answer,) = ask(*(stream[place : place + 1] for place in range(len(stream))))[0]
    assert answer.content["body"] == "abc"
    assert [name for name, _ in answer.content["headers"]] == ["host", "transfer-encoding"]


def test_a_target_with_a_scheme_is_answered_by_its_path() -> None:
    assert bodies(b"GET http://elsewhere/a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n") == [("GET", "/a b", "")]


def _exactly(size: int) -> bytes:
    """A request whose header counts so many bytes, its target and lines."""
    lines = b"Host: x\r\n"
    return (
        b"GET /a HTTP/1.1\r\n"
        + lines
        + b"A: "
        + b"b" * (size - len(lines) - len(b"/a") - len(b"A: \r\n"))
        + b"\r\n\r\n"
    )


@pytest.mark.parametrize("cut", [1 << 20, 1000])
def test_the_largest_header_is_read_and_one_byte_more_is_not(cut: int) -> None:
    def status(size: int) -> int:
        stream = _exactly(size)
        return ask(*(stream[start : start + cut] for start in range(0, len(stream), cut)))[0][0].status

    assert status(MAX_BYTES) == 200
    assert status(MAX_BYTES + 1) == 431


@pytest.mark.parametrize(("count", "status"), [(MAX_LINES, 200), (MAX_LINES + 1, 431)])
def test_the_lines_of_a_header_are_counted(count: int, status: int) -> None:
    assert ask(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * count + b"\r\n")[0][0].status == status


def test_trailers_count_with_the_header() -> None:
    answers, wire = ask(chunked(b"abc")[:-2] + b"A: b\r\n" * (MAX_LINES - 1) + b"\r\n")
    assert [(each.status, each.content["code"]) for each in answers] == [(431, "headers_too_large")]
    assert wire.transport.has_said_eof


CHUNKS = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "lines": (b"GET / HTTP/1.1\r\n", b"A: %s\r\n" % (b"b" * 800)),
    "a value": (b"GET / HTTP/1.1\r\nA: ", b"b" * 1000),
    "a name": (b"GET / HTTP/1.1\r\nA", b"a" * 1000),
    "a target": (b"GET /", b"a" * 1000),
    "empty lines": (b"", b"\r\n" * 500),
    "a trailer": (CHUNKS + b"3\r\nabc\r\n0\r\nA: ", b"b" * 1000),
    "trailers": (CHUNKS + b"3\r\nabc\r\n0\r\n", b"A: %s\r\n" % (b"b" * 800)),
    "an extension": (CHUNKS + b"3;", b"e" * 1000),
    "a size": (CHUNKS, b"0" * 1000),
    "tiny chunks": (CHUNKS, b"1\r\nx\r\n" * 200),
    "extended chunks": (CHUNKS, b"1;%s\r\nx\r\n" % (b"e" * 70)),
}


@pytest.mark.parametrize(("first", "again"), ENDLESS.values(), ids=ENDLESS)
def test_what_has_no_end_gets_one_within_its_limit(first: bytes, again: bytes) -> None:
    async def scene() -> None:
        wire, sent = Wire(), 0
        await wire.send(first)
        while not wire.answers:
            await wire.send(again)
            sent += len(again)
            assert sent < 3 * MAX_BYTES
        (answer,) = wire.answers
        assert (answer.status, answer.content["code"]) == (431, "headers_too_large")
        assert answer.content["request_id"]
        assert wire.transport.has_said_eof
        text = wire.telemetry.exposition().decode()
        assert 'percept_rejected_total{reason="headers_too_large"} 1.0' in text

    run(scene())


@pytest.mark.parametrize(("first", "again"), ENDLESS.values(), ids=ENDLESS)
def test_what_has_no_end_is_ended_in_one_packet_too(first: bytes, again: bytes) -> None:
    assert [each.status for each in ask(first + again * 1000)[0]] == [431]


def test_ordinary_chunks_are_no_attack() -> None:
    pieces = [b"x" * 64] * 5_000
    assert bodies(chunked(*pieces)) == [("POST", "/c", "x" * 64 * 5_000)]


def test_of_many_requests_sent_ahead_few_are_held_and_all_are_answered() -> None:
    async def scene() -> int:
        opened = asyncio.Event()
        wire, count = Wire(held_back(opened)), 2_000
        await wire.send(GET * count)
        assert len(wire.protocol.pipeline) < 2048 / len(GET)
        assert not wire.transport.is_reading_now
        opened.set()
        while len(wire.transport.written) < count * len(b"HTTP/1.1 200 OK"):
            await wire.settle()
        for _ in range(count):
            await asyncio.sleep(0)
        while not wire.transport.is_reading_now:
            await wire.settle()
        await wire.settle()
        return len(wire.answers)

    assert run(scene()) == 2_000
