"""What a message may spend on anything but its body, and framing that could be read in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import HeadersTooLarge, MalformedRequest
from service.incoming import MAX_BYTES, MAX_LINES, Incoming

LINE = 4  # colon, space, line end


def test_as_many_lines_as_there_may_be_and_no_more() -> None:
    message = Incoming()
    for _ in range(MAX_LINES):
        message.line(b"a", b"b")
    with pytest.raises(HeadersTooLarge, match="100 header lines"):
        message.line(b"a", b"b")


def test_as_many_bytes_as_there_may_be_and_no_more() -> None:
    message = Incoming()
    message.target(b"/" * 1000)
    message.line(b"name", b"v" * (MAX_BYTES - 1000 - len(b"name") - LINE))
    with pytest.raises(HeadersTooLarge, match="65536 bytes"):
        message.line(b"", b"")
    with pytest.raises(HeadersTooLarge):
        Incoming().target(b"/" * (MAX_BYTES + 1))


def test_what_has_no_end_is_counted_while_it_comes() -> None:
    message = Incoming()
    for _ in range(MAX_BYTES // 1024):
        message.wait(1024)
    with pytest.raises(HeadersTooLarge):
        message.wait(1)


@given(sizes=st.lists(st.integers(32, 100_000), max_size=200))
def test_chunks_of_ordinary_size_pay_for_their_framing(sizes: list[int]) -> None:
    message = Incoming()
    for size in sizes:
        message.frame(len(b"%x\r\n\r\n" % size) + size, size)


@pytest.mark.parametrize("body", [0, 1, 8])
def test_framing_that_carries_next_to_nothing_has_an_end(body: int) -> None:
    message, spent = Incoming(), 0
    with pytest.raises(HeadersTooLarge):
        while spent < 8 * MAX_BYTES:
            message.frame(20 + body, body)
            spent += 20
    assert spent <= MAX_BYTES * 1.2 + 20


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b" chunked "])
def test_chunked_is_the_one_coding(value: bytes) -> None:
    message = Incoming()
    message.field(b"Transfer-Encoding", value)
    message.complete("1.1")
    assert message.is_chunked


@pytest.mark.parametrize("value", [b"gzip, chunked", b"identity", b"xchunked", b"chunked;q=1", b'"chunked"', b""])
def test_another_coding_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedRequest, match="may be `chunked`"):
        Incoming().field(b"transfer-encoding", value)


@pytest.mark.parametrize("name", [b"transfer-encoding", b"Host"])
def test_what_may_stand_there_once_is_refused_twice(name: bytes) -> None:
    message = Incoming()
    message.field(name, b"chunked")
    with pytest.raises(MalformedRequest):
        message.field(name.upper(), b"chunked")


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(MalformedRequest, match=r"HTTP/1\.1 is spoken"):
        Incoming().complete(version)


def test_an_old_version_has_no_chunks() -> None:
    message = Incoming()
    message.complete("1.0")
    message.field(b"transfer-encoding", b"chunked")
    with pytest.raises(MalformedRequest, match=r"HTTP/1\.0 has no"):
        message.complete("1.0")


@pytest.mark.parametrize(
    ("given_length", "length"), [(b"12", 12), (b" 7 ", 7), (b"9" * 19, int("9" * 19)), (b"9" * 5000, 10**19)]
)
def test_the_declared_length_is_a_number_however_long(given_length: bytes, length: int) -> None:
    message = Incoming()
    message.field(b"Content-Length", given_length)
    assert message.body_bytes == length
