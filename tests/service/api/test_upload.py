"""Bodies as they arrive: any split of the bytes gives the same file, and every limit holds while reading."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from service.api.upload import Body, BodyLimits, MemorySink, read_upload
from service.errors import (
    ClientGone,
    DeadlineExceeded,
    MalformedRequest,
    PayloadTooLarge,
    QueueFull,
    RequestError,
    RequestTimeout,
    UnsupportedMedia,
)
from service.places import Upload

FORM = "multipart/form-data; boundary=frontier"
FIELDS = ("prompt", "top_k", "model")
LIMITS = BodyLimits(max_bytes=100_000, idle_timeout_s=5.0, min_bytes_per_s=100)


def form(*parts: tuple[str, bytes]) -> bytes:
    pieces = [
        b'--frontier\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in parts
    ]
    return b"".join(pieces) + b"--frontier--\r\n"


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(marks)]


def read(
    pieces: list[bytes], content_type: str = FORM, limits: BodyLimits = LIMITS, step_s: float = 0.0, **headers: str
) -> tuple[bytes, dict[str, str]]:
    """Read a body that arrives in these pieces, `step_s` apart."""
    messages = iter([{"type": "http.request", "body": piece, "more_body": True} for piece in pieces])
    now = [0.0]

    async def receive() -> Message:
        now[0] += step_s
        return next(messages, {"type": "http.request", "body": b"", "more_body": False})

    given_headers = Headers({"content-type": content_type, **{k.replace("_", "-"): v for k, v in headers.items()}})
    body, sink = Body(given_headers, receive, limits, lambda: now[0]), MemorySink()
    fields = asyncio.run(read_upload(given_headers, body, ("image/",), sink, FIELDS))
    return sink.getvalue(), fields


@given(
    data=st.binary(min_size=1, max_size=2000), text=st.text(max_size=50), cuts=st.lists(st.integers(0), max_size=20)
)
def test_a_form_reads_the_same_however_it_is_cut(data: bytes, text: str, cuts: list[int]) -> None:
    if b"\r\n--frontier" in data:
        return
    body = form(("top_k", text.encode("utf-8", "replace")), ("file", data))
    assert read(split(body, cuts)) == (data, {"top_k": text.encode("utf-8", "replace").decode()})


@given(data=st.binary(min_size=1, max_size=2000), cuts=st.lists(st.integers(0), max_size=20))
def test_a_raw_body_reads_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    assert read(split(data, cuts), "image/png") == (data, {})


@given(
    data=st.one_of(
        st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: form(("file", b"x"))[:-9] + tail)
    ),
    cuts=st.lists(st.integers(0), max_size=5),
)
def test_any_bytes_are_read_or_refused_in_words(data: bytes, cuts: list[int]) -> None:
    try:
        read(split(data, cuts))
    except RequestError as error:
        assert error.detail


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (form(("file", b"a"), ("file", b"b")), "more than one"),
        (form(("top_k", b"1")), "no part named `file`"),
        (form(("file", b"")), "empty"),
        (form(("file", b"a"))[:-4], "closing boundary"),
        (form(("a", b"1"), ("a", b"2"), ("file", b"x")), "given twice"),
        (form(("file", b"a"), ("x", b"\xff\xfe")), "UTF-8"),
        (form(*[(f"f{i}", b"") for i in range(70)]), "more than 64 parts"),
        (b"--other\r\n", "broken"),
        (b"", "closing boundary"),
        (b"--frontier\r\nContent-Type: text/plain\r\n\r\nx\r\n--frontier--\r\n", "no name"),
    ],
)
def test_a_bad_form_is_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words):
        read([body])


def test_a_form_needs_a_boundary() -> None:
    with pytest.raises(MalformedRequest, match="boundary"):
        read([b"x"], "multipart/form-data")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "audio/wav", ""])
def test_other_types_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMedia, match=r"image/\*"):
        read([b"x"], content_type)


def test_nothing_at_all_is_an_empty_request() -> None:
    with pytest.raises(MalformedRequest, match="empty"):
        read([], "")


def test_compressed_bodies_are_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="compressed"):
        read([b"x"], "image/png", content_encoding="gzip")


def test_the_limit_holds_at_the_byte() -> None:
    assert len(read([bytes(50_000)] * 2, "image/png")[0]) == 100_000
    with pytest.raises(PayloadTooLarge):
        read([bytes(50_000)] * 2 + [b"x"], "image/png")


def test_a_declared_size_is_refused_before_reading() -> None:
    async def explode() -> Message:
        raise AssertionError("it was read")

    with pytest.raises(PayloadTooLarge):
        _read_from(explode, content_length="100001")


def test_a_declared_size_of_any_length_is_understood() -> None:
    with pytest.raises(PayloadTooLarge):
        read([b"x"], "image/png", content_length="9" * 5000)
    assert read([b"x"], "image/png", content_length="0" * 5000 + "1")[0] == b"x"


def test_fields_are_limited_too() -> None:
    with pytest.raises(PayloadTooLarge, match="fields"):
        read([form(("prompt", bytes(70_000)), ("file", b"x"))])


def test_a_slow_body_is_refused_and_a_short_one_has_its_grace() -> None:
    assert read([b"x"] * 5, "image/png", step_s=1.0)[0] == b"xxxxx"
    with pytest.raises(RequestTimeout, match="100 bytes per second"):
        read([b"x"] * 20, "image/png", step_s=1.0)


def _read_from(receive: Receive, content_length: str = "10") -> None:
    headers = Headers({"content-type": "image/png", "content-length": content_length})
    body = Body(headers, receive, BodyLimits(100, 0.01, 0), lambda: 0.0)
    asyncio.run(read_upload(headers, body, ("image/",), MemorySink(), FIELDS))


def test_a_silent_body_is_refused() -> None:
    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(RequestTimeout, match="nothing arrived"):
        _read_from(silence)


def test_a_client_that_is_just_fast_enough_is_bounded_all_the_same() -> None:
    """Above the rate for ever is as long as the largest body takes at that rate."""
    limits = BodyLimits(max_bytes=100_000, idle_timeout_s=60.0, min_bytes_per_s=100, longest_s=200.0)
    assert limits.time_s(1_000) == 20.0
    assert limits.time_s(100_000) == 200.0
    assert BodyLimits(100_000, 60.0, 0).time_s(1) == math.inf
    with pytest.raises(RequestTimeout, match="longer than 200 s"):
        read([bytes(110)] * 600, "image/png", limits, step_s=0.5)
    assert len(read([bytes(110)] * 30, "image/png", limits, step_s=0.5)[0]) == 3_300


def test_a_declared_size_has_its_own_time() -> None:
    limits = BodyLimits(max_bytes=100_000, idle_timeout_s=60.0, min_bytes_per_s=100)
    pieces = [bytes(300)] * 10
    assert len(read(pieces, "image/png", limits, step_s=1.5, content_length="3000")[0]) == 3_000
    with pytest.raises(RequestTimeout, match="100 bytes per second"):
        read(pieces, "image/png", limits, step_s=1.5, content_length="500")


def test_without_a_rate_the_longest_time_holds() -> None:
    limits = BodyLimits(max_bytes=100_000, idle_timeout_s=60.0, min_bytes_per_s=0, longest_s=10.0)
    with pytest.raises(RequestTimeout, match="longer than 10 s"):
        read([b"x"] * 100, "image/png", limits, step_s=1.0)


async def _silence() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def _body(receive: Receive, deadline: float | None = None, idle_s: float = 60.0) -> tuple[Body, Upload]:
    upload = Upload("a", 0.0)
    limits = BodyLimits(100_000, idle_s, 0)
    return Body(Headers({"content-length": "10"}), receive, limits, lambda: 100.0, upload, deadline), upload


async def _all_of(body: Body) -> bytes:
    return b"".join([piece async for piece in body.pieces()])


@pytest.mark.parametrize("deadline", [99.0, 100.0, 100.01])
def test_a_deadline_counts_while_the_body_arrives(deadline: float) -> None:
    with pytest.raises(DeadlineExceeded, match="ran past its deadline"):
        asyncio.run(_all_of(_body(_silence, deadline)[0]))


def test_an_upload_that_has_to_give_way_is_woken() -> None:
    async def scene() -> None:
        body, upload = _body(_silence)
        reading = asyncio.ensure_future(_all_of(body))
        await asyncio.sleep(0)
        upload.give_way()
        with pytest.raises(QueueFull, match="too many send at once") as refusal:
            await reading
        assert refusal.value.retry_after_s >= 1.0

    asyncio.run(asyncio.wait_for(scene(), 10.0))


def test_an_upload_that_has_to_give_way_between_two_pieces_does() -> None:
    upload: Upload

    async def receive() -> Message:
        upload.give_way()
        return {"type": "http.request", "body": b"x", "more_body": True}

    body, upload = _body(receive)
    with pytest.raises(QueueFull):
        asyncio.run(asyncio.wait_for(_all_of(body), 10.0))


def test_what_has_come_is_counted() -> None:
    messages = [{"type": "http.request", "body": bytes(size), "more_body": size < 9} for size in (3, 0, 9)]

    async def receive() -> Message:
        return messages.pop(0)

    body, upload = _body(receive)
    assert len(asyncio.run(_all_of(body))) == 12
    assert upload.received == 12
    assert upload.interrupt is None


def test_hanging_up_is_noticed() -> None:
    async def hang_up() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        _read_from(hang_up)


_OPTIONS = [
    "; ",
    ";",
    "=",
    '"',
    "\\",
    "*",
    "*0*",
    "''",
    "utf-8''",
    "bogus''",
    "%ff",
    "filename",
    "a",
    "ä",
    "(",
    "\t",
    "name*",
]


@given(st.lists(st.sampled_from(_OPTIONS), max_size=12).map("".join))
def test_file_names_are_ignored_however_they_are_dressed(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode()
    head = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="' + quoted + b'"\r\n'
    assert read([head + b"Content-Type: text/x-lie\r\n\r\nphoto\r\n--frontier--\r\n"])[0] == b"photo"


@given(st.lists(st.sampled_from(_OPTIONS), max_size=12).map("".join))
def test_any_header_of_a_part_is_read_or_refused_in_words(options: str) -> None:
    head = f'--frontier\r\nContent-Disposition: form-data; name="file"{options}\r\n\r\n'.encode()
    try:
        read([head + b"photo\r\n--frontier--\r\n"])
    except RequestError as error:
        assert error.detail


@given(st.lists(st.sampled_from([*_OPTIONS, "boundary", "frontier", "image/"]), max_size=12).map("".join))
def test_any_content_type_is_read_or_refused_in_words(options: str) -> None:
    for kind in ("multipart/form-data;", ""):
        try:
            read([form(("file", b"x"))], kind + options.replace("ä", "\xe4"))
        except RequestError as error:
            assert error.detail


@given(data=st.binary(max_size=300), limit=st.integers(0, 300), cuts=st.lists(st.integers(0), max_size=5))
def test_the_limit_holds_however_the_body_is_cut(data: bytes, limit: int, cuts: list[int]) -> None:
    limits = BodyLimits(limit, 5.0, 0)
    if len(data) > limit:
        with pytest.raises(PayloadTooLarge):
            read(split(data, cuts), "image/png", limits)
    elif data:
        assert read(split(data, cuts), "image/png", limits)[0] == data


def test_reading_stops_at_the_first_byte_too_many() -> None:
    asked: list[int] = []

    async def endless() -> Message:
        asked.append(1)
        return {"type": "http.request", "body": bytes(60), "more_body": True}

    with pytest.raises(PayloadTooLarge):
        _read_from(endless)
    assert len(asked) == 2


def test_a_boundary_that_is_too_long_is_refused_in_words() -> None:
    with pytest.raises(MalformedRequest, match="boundary"):
        read([b"x"], "multipart/form-data; boundary=" + "x" * 5000)


def test_a_declared_size_that_is_no_number_is_counted_instead() -> None:
    assert read([b"x"], "image/png", content_length="many")[0] == b"x"
