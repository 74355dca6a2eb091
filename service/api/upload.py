"""Reading a request's body: bounded in bytes and in time while it arrives, multipart or raw.

The limit holds while reading, never after. File names and the types of parts are ignored: the bytes will say what
they are. Where the bytes go (memory, a spooled file) is the sink's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive

from service.errors import ClientGone, MalformedRequest, PayloadTooLarge, RequestTimeout, UnsupportedMedia

FILE = "file"
_MAX_FIELD_BYTES = 64 << 10  # all fields of a form together
_MAX_PARTS = 64
_MAX_SIZE_DIGITS = 18  # of a declared size: below an exabyte
_RATE_GRACE_S = 10.0
_SEND_ONE = "send one image or recording as the part `file` of multipart/form-data, or as the body itself"


class Sink(Protocol):
    """Where the file's bytes go."""

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        ...

    async def write(self, data: bytes) -> None:
        """Take the next bytes; never blocks the event loop."""


class MemorySink:
    """Keeps the file in memory; for bodies that are small by their limit."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return len(self._data)

    async def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data

    def getvalue(self) -> bytes:
        """The whole file."""
        return bytes(self._data)


@dataclass(frozen=True)
class BodyLimits:
    """What a body may be and how slowly it may come."""

    max_bytes: int
    idle_timeout_s: float
    min_bytes_per_s: int


class Body:
    """The body of one request as a stream of pieces within limits."""

    def __init__(self, headers: Headers, receive: Receive, limits: BodyLimits, clock: Callable[[], float]) -> None:
        self._headers = headers
        self._receive = receive
        self._limits = limits
        self._clock = clock

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive.

        Raises:
            UnsupportedMedia: the body is compressed.
            PayloadTooLarge: before reading where the headers say so, else at the first byte too many.
            RequestTimeout: nothing came for a while, or it came too slowly.
            ClientGone: the client hung up.
        """
        self._check_headers()
        begun_at, received, is_more = self._clock(), 0, True
        while is_more:
            piece, is_more = await self._next()
            received += len(piece)
            if received > self._limits.max_bytes:
                raise self._too_large()
            self._check_rate(received, self._clock() - begun_at)
            if piece:
                yield piece

    async def _next(self) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(self._limits.idle_timeout_s):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestTimeout(f"nothing arrived for {self._limits.idle_timeout_s:g} s; send it again") from error
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up while sending")
        return message.get("body", b""), message.get("more_body", False)

    def _check_headers(self) -> None:
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMedia("compressed bodies are not read; send the file as it is, without Content-Encoding")
        declared = self._headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and self._is_too_large(declared.lstrip("0")):
            raise self._too_large()

    def _is_too_large(self, digits: str) -> bool:
        # int() refuses numbers of thousands of digits
        return len(digits) > _MAX_SIZE_DIGITS or int(digits or "0") > self._limits.max_bytes

    def _check_rate(self, received: int, elapsed_s: float) -> None:
        floor = self._limits.min_bytes_per_s
        if elapsed_s > _RATE_GRACE_S and received < floor * elapsed_s:
            raise RequestTimeout(f"the body arrives at less than {floor} bytes per second; use a faster line")

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the body is larger than the limit of {self._limits.max_bytes} bytes; send less")


async def read_upload(headers: Headers, body: Body, media: tuple[str, ...], sink: Sink) -> dict[str, str]:
    """Read the file into `sink` and give the other fields of the form; `media` are raw types such as `image/`.

    Raises:
        MalformedRequest: broken multipart, an empty body or part, no `file`, more than one.
        UnsupportedMedia: a content type that is neither multipart nor of `media`.
        PayloadTooLarge, RequestTimeout, ClientGone: see `Body.pieces`.
    """
    content_type = headers.get("content-type", "").strip()
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        form = _Form(options.get(b"boundary", b""))
        fields = await form.read(body, sink)
    elif content_type.lower().startswith(media):
        fields = {}
        async for piece in body.pieces():
            await sink.write(piece)
    else:
        await _refuse(content_type, body, media)
        fields = {}
    if sink.size == 0:
        raise MalformedRequest(f"the body or its part `file` is empty; {_SEND_ONE}")
    return fields


async def _refuse(content_type: str, body: Body, media: tuple[str, ...]) -> None:
    """No content type and nothing sent is an empty request; anything else is a type that is not read."""
    if not content_type:
        async for _ in body.pieces():
            break
        else:
            return
    wanted = " or ".join(f"{prefix}*" for prefix in media)
    raise UnsupportedMedia(
        f"the content type is {content_type[:80] or 'missing'}; send multipart/form-data or {wanted}"
    )


class _Form:
    """One multipart/form-data body (RFC 7578), parsed as it arrives."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise MalformedRequest("the multipart content type names no boundary; let your client library set it")
        self._file_pieces: list[bytes] = []
        self._fields: dict[str, bytearray] = {}
        self._files = 0
        self._parts = 0
        self._is_complete = False
        self._name = ""
        self._header = (bytearray(), bytearray())
        self._parser = self._make_parser(boundary)

    def _make_parser(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedRequest("the multipart boundary is too long") from error

    async def read(self, body: Body, sink: Sink) -> dict[str, str]:
        """Feed the whole body through the parser."""
        async for piece in body.pieces():
            self._feed(piece)
            for data in self._file_pieces:
                await sink.write(data)
            self._file_pieces.clear()
        if not self._is_complete:
            raise MalformedRequest("the multipart body ends before its closing boundary; send it again whole")
        if self._files == 0:
            raise MalformedRequest(f"the form has no part named `file`; {_SEND_ONE}")
        return self._texts()

    def _feed(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise MalformedRequest("the multipart body is broken; let a client library build it") from error

    def _texts(self) -> dict[str, str]:
        try:
            return {name: value.decode("utf-8") for name, value in self._fields.items()}
        except UnicodeDecodeError as error:
            raise MalformedRequest("a field of the form is not UTF-8") from error

    def _on_part_begin(self) -> None:
        self._name = ""
        self._header = (bytearray(), bytearray())
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise MalformedRequest(f"the form has more than {_MAX_PARTS} parts")

    def _on_header_end(self) -> None:
        name, value = (bytes(half).decode("latin-1") for half in self._header)
        self._header = (bytearray(), bytearray())
        if name.lower() == "content-disposition":
            _, options = parse_options_header(value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")

    def _on_headers_finished(self) -> None:
        if self._name == FILE:
            self._files += 1
            if self._files > 1:
                raise MalformedRequest(f"the form has more than one part named `file`; {_SEND_ONE}")
        elif not self._name:
            raise MalformedRequest("a part of the form has no name")
        elif self._name in self._fields:
            raise MalformedRequest(f"the field `{self._name[:80]}` is given twice")
        else:
            self._fields[self._name] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self._file_pieces.append(data[start:end])
            return
        self._fields[self._name] += data[start:end]
        if sum(len(value) for value in self._fields.values()) > _MAX_FIELD_BYTES:
            raise PayloadTooLarge(f"the form's fields are larger than {_MAX_FIELD_BYTES} bytes together")

    def _on_end(self) -> None:
        self._is_complete = True
