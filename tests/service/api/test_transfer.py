"""Wrapped bytes are unwrapped however they are cut, and what is not of its encoding is refused."""

from __future__ import annotations

import base64
import quopri
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.transfer import decoder_of
from service.errors import MalformedRequest, UnsupportedMedia

FEW = settings(max_examples=25)  # of each case, of which there are many
CUTS = st.lists(st.integers(0), max_size=12)


def decoded(encoding: str, data: bytes, cuts: list[int] | None = None) -> bytes:
    """What comes of wrapped bytes that arrive in pieces."""
    decoder = decoder_of(encoding)
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    whole = b"".join([decoder.feed(data[start:end]) for start, end in pairwise(marks)])
    decoder.finish()
    return whole


@FEW
@given(data=st.binary(max_size=500), cuts=CUTS)
@pytest.mark.parametrize("encoding", ["", "binary", "8bit", "7BIT"])
def test_plain_bytes_are_what_they_are(encoding: str, data: bytes, cuts: list[int]) -> None:
    assert decoded(encoding, data, cuts) == data


@FEW
@given(data=st.binary(max_size=500), cuts=CUTS)
@pytest.mark.parametrize(
    "encode",
    [
        base64.b64encode,
        base64.encodebytes,
        lambda data: b" " + base64.b64encode(data) + b"\r\n",
    ],
)
def test_base64_gives_the_original(encode: object, data: bytes, cuts: list[int]) -> None:
    assert callable(encode)
    assert decoded(" Base64 ", encode(data), cuts) == data


@FEW
@given(data=st.binary(max_size=500), cuts=CUTS)
def test_quoted_printable_gives_the_original(data: bytes, cuts: list[int]) -> None:
    wrapped = b"".join(b"=%02X" % byte if byte in b"=\r\n" or byte > 126 else bytes([byte]) for byte in data)
    lines = (
        b"=\r\n".join(wrapped[at : at + 70] for at in range(0, len(wrapped), 70)) if b"=" not in wrapped else wrapped
    )
    assert decoded("quoted-printable", lines, cuts) == data


@FEW
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=300), cuts=CUTS)
def test_what_the_library_quotes_is_read(text: str, cuts: list[int]) -> None:
    wrapped = quopri.encodestring(text.encode())
    assert decoded("Quoted-Printable", wrapped, cuts) == quopri.decodestring(wrapped)


@pytest.mark.parametrize(
    "wrapped",
    [b"caf=C3=a9 =\r\nau lait", b"caf=C3=a9 = \t\r\nau lait", b"caf=C3=a9 =\nau lait=", b"caf=C3=a9 au lait=\r\n"],
)
@FEW
@given(cuts=CUTS)
def test_lines_that_were_divided_are_joined(wrapped: bytes, cuts: list[int]) -> None:
    assert decoded("quoted-printable", wrapped, cuts).decode() == "café au lait"


@pytest.mark.parametrize(
    ("encoding", "data", "words"),
    [
        ("base64", b"/9j/4AAQ*", "holds something else"),
        ("base64", b"this is no base64!", "holds something else"),
        ("base64", b"/9j_4A-Q", "holds something else"),
        ("base64", b"/9j/4AA", "middle of a group"),
        ("base64", b"/9j/4A=", "middle of a group"),
        ("base64", b"QQ==QQ==", "holds something else|goes on"),
        ("base64", b"QQ=A", "holds something else"),
        ("base64", b"====", "holds something else"),
        ("quoted-printable", b"a=GG", "an `=` in it"),
        ("quoted-printable", b"a=\rb", "an `=` in it"),
        ("quoted-printable", b"a=3", "ends in the middle"),
        ("quoted-printable", b"a=" + b" " * 5000, "an `=` in it"),
    ],
)
@FEW
@given(cuts=CUTS)
def test_broken_wrapping_is_refused_in_words(encoding: str, data: bytes, words: str, cuts: list[int]) -> None:
    with pytest.raises(MalformedRequest, match=words):
        decoded(encoding, data, cuts)


@pytest.mark.parametrize("encoding", ["x-uuencode", "gzip", "base64, base64", "b" * 500])
def test_other_encodings_are_named_and_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia, match=f"Content-Transfer-Encoding {encoding[:80]},"):
        decoder_of(encoding)


def test_memory_does_not_grow_with_what_is_fed() -> None:
    for encoding in ("base64", "quoted-printable"):
        decoder = decoder_of(encoding)
        for _ in range(1000):
            assert len(decoder.feed(b"AAAA" * 250)) in (750, 1000)
