"""Forms beyond the plain ones: preambles, wrapped parts, files by other names."""

from __future__ import annotations

import base64
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.form import Form
from service.errors import MalformedRequest, PayloadTooLarge, RequestError

BOUNDARY = b"frontier"
FIELDS = ("prompt", "top_k")
PHOTO = bytes(range(256)) * 3
FEW = settings(max_examples=25)  # of each case, of which there are many
CUTS = st.lists(st.integers(0), max_size=12)


def part(name: str, data: bytes, *more: str, options: str = "") -> bytes:
    """One part with its boundary in front."""
    lines = [f'Content-Disposition: form-data; name="{name}"{options}', *more]
    return b"--" + BOUNDARY + "".join(f"\r\n{line}" for line in lines).encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--" + BOUNDARY + b"--"


def read(body: bytes, cuts: list[int] | None = None, boundary: bytes = BOUNDARY) -> tuple[bytes, dict[str, str]]:
    """The file and the fields of a body that arrives in pieces."""
    form, file = Form(boundary, FIELDS), bytearray()
    marks = [0, *sorted(cut % (len(body) + 1) for cut in cuts or []), len(body)]
    for start, end in pairwise(marks):
        file += b"".join(form.feed(body[start:end]))
    fields = form.finish()
    return bytes(file), fields


PREAMBLES = [
    b"", b"\r\n", b"\n\n", b"This is a message in several parts.\r\n", b"-\r\n--\r\n--front\r\n", b" --frontier\r\n",
    b"--fron\r\n--frontie\r\n", b"\r" * 50 + b"\n", bytes(range(256)) + b"\r\n",
]  # fmt: skip


@pytest.mark.parametrize("preamble", PREAMBLES)
@pytest.mark.parametrize("epilogue", [b"", b"\r\n", b"\r\nend\r\n--frontier\r\n", b"\r\n" + bytes(1000)])
@FEW
@given(cuts=CUTS)
def test_what_stands_around_the_parts_is_skipped(preamble: bytes, epilogue: bytes, cuts: list[int]) -> None:
    body = preamble + part("top_k", b"3") + part("file", PHOTO) + END + epilogue
    assert read(body, cuts) == (PHOTO, {"top_k": "3"})


@given(preamble=st.binary(max_size=200).filter(lambda data: b"--frontier" not in data), cuts=CUTS)
def test_any_lines_may_stand_before_the_first_boundary(preamble: bytes, cuts: list[int]) -> None:
    assert read(preamble + b"\r\n" + part("file", PHOTO) + END, cuts)[0] == PHOTO


@pytest.mark.parametrize("padding", [b" ", b" \t  "])
@FEW
@given(cuts=CUTS)
def test_blanks_behind_a_boundary_are_skipped(padding: bytes, cuts: list[int]) -> None:
    body = (part("top_k", b"3") + part("file", PHOTO)).replace(b"--frontier\r\n", b"--frontier" + padding + b"\r\n")
    assert read(body + END, cuts) == (PHOTO, {"top_k": "3"})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"text and no boundary\r\n" * 100, "its boundary|boundary of its content type is nowhere"),
        (b"x--frontier\r\n", "is nowhere"),
        (b"preamble\r\n--frontier", "ends before its closing boundary"),
        (b"preamble\r\n--frontier  ", "ends before its closing boundary"),
        (b"preamble\r\n--frontierX\r\n", "is broken"),
        (b"preamble\r\n" + END, "no part named `file`"),
        (b"", "ends before its closing boundary"),
    ],
)
@FEW
@given(cuts=CUTS)
def test_a_body_without_its_parts_is_refused_in_words(body: bytes, words: str, cuts: list[int]) -> None:
    with pytest.raises(MalformedRequest, match=words):
        read(body, cuts)


def test_a_preamble_is_not_kept() -> None:
    form = Form(BOUNDARY, FIELDS)
    for _ in range(1000):
        assert form.feed(b"a line before the parts\r\n" * 100) == []
    assert form.feed(part("file", PHOTO) + END) == [PHOTO]


@FEW
@given(cuts=CUTS)
def test_a_wrapped_file_and_field_are_unwrapped(cuts: list[int]) -> None:
    body = (
        part("file", base64.encodebytes(PHOTO).replace(b"\n", b"\r\n"), "Content-Transfer-Encoding: base64")
        + part("prompt", b"caf=C3=A9 =\r\nau lait", "content-transfer-encoding: Quoted-Printable")
        + part("top_k", b"3", "Content-Transfer-Encoding: 8bit")
        + END
    )
    assert read(body, cuts) == (PHOTO, {"prompt": "café au lait", "top_k": "3"})


@pytest.mark.parametrize("data", [b"no base64!", b"/9j/4AA", b"QQ==QQ=="])
def test_a_file_that_is_badly_wrapped_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(MalformedRequest, match="base64"):
        read(part("file", data, "Content-Transfer-Encoding: base64") + END)


def test_a_part_is_wrapped_in_one_way() -> None:
    both = ("Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: binary")
    with pytest.raises(MalformedRequest, match="two"):
        read(part("file", b"QQ==", *both) + END)


@pytest.mark.parametrize("options", ['; filename="a.jpg"', '; filename=""', "; filename*=UTF-8''%e2%82%ac.jpg"])
@pytest.mark.parametrize("size", [0, 10, 70_000, 1_000_000])
@pytest.mark.parametrize("before", [b"", part("file", PHOTO)])
def test_a_file_by_another_name_is_refused_whatever_its_size(options: str, size: int, before: bytes) -> None:
    with pytest.raises(
        MalformedRequest, match="a file as the part `image`; send one image or recording as the part `file`"
    ):
        read(before + part("image", bytes(size), options=options) + END)


def test_without_a_file_name_size_alone_tells_a_file_from_a_field() -> None:
    with pytest.raises(MalformedRequest, match="a file as the part `image`"):
        read(part("image", bytes(70_000)) + END)
    with pytest.raises(PayloadTooLarge, match="fields"):
        read(part("prompt", bytes(70_000)) + part("file", PHOTO) + END)


def test_a_field_may_be_sent_as_a_file() -> None:
    body = part("prompt", "名字".encode(), options='; filename="names.txt"') + part("file", PHOTO) + END
    assert read(body) == (PHOTO, {"prompt": "名字"})


@given(data=st.binary(max_size=300), cuts=CUTS)
def test_any_bytes_are_read_or_refused_in_words(data: bytes, cuts: list[int]) -> None:
    try:
        read(b"--frontier" + data, cuts)
    except RequestError as error:
        assert error.detail


@pytest.mark.skipif("PERCEPT_DATA" not in os.environ, reason="PERCEPT_DATA names no data folder")
def test_a_form_that_a_real_client_sent_is_read() -> None:
    body = (Path(os.environ["PERCEPT_DATA"]) / "bugs/multipart_base64.body").read_bytes()
    file, fields = read(body, boundary=b"----XyZ")
    assert file.startswith(b"\xff\xd8\xff")
    assert file.endswith(b"\xff\xd9")
    assert fields == {}
