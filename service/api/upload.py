"""Reading a request's body: bounded in bytes and in time while it arrives, multipart or raw.

The limit holds while reading, never after. File names and the types of parts are ignored: the bytes will say what
they are. Where the bytes go (memory, a spooled file) is the sink's business.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive

from service.api.form import SEND_ONE, Form
from service.errors import (
    ClientGone,
    DeadlineExceeded,
    MalformedRequest,
    PayloadTooLarge,
    PerceptError,
    QueueFull,
    RequestTimeout,
    UnsupportedMedia,
)
from service.places import Upload

_MAX_SIZE_DIGITS = 18  # of a declared size: below an exabyte
_RATE_GRACE_S = 10.0


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
    longest_s: float = math.inf
    """Time for any body, however large."""

    def time_s(self, size: int) -> float:
        """How long a body of so many bytes may take."""
        rate = self.min_bytes_per_s
        return min(self.longest_s, _RATE_GRACE_S + size / rate) if rate else self.longest_s


class Body:
    """The body of one request as a stream of pieces within limits."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a body is read from and judged by
        self,
        headers: Headers,
        receive: Receive,
        limits: BodyLimits,
        clock: Callable[[], float],
        upload: Upload | None = None,
        deadline: float | None = None,
    ) -> None:
        self._headers = headers
        self._receive = receive
        self._limits = limits
        self._clock = clock
        self._upload = upload or Upload("", clock())
        self._deadline = math.inf if deadline is None else deadline
        self._time_s = math.inf
        self._ends_at = math.inf

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive.

        Raises:
            UnsupportedMedia: the body is compressed.
            PayloadTooLarge: before reading where the headers say so, else at the first byte too many.
            RequestTimeout: nothing came for a while, or it came too slowly.
            DeadlineExceeded: the client's own deadline passed.
            QueueFull: others send as well, and faster.
            ClientGone: the client hung up.
        """
        self._check_headers()
        begun_at, is_more = self._clock(), True
        self._time_s = self._limits.time_s(self._declared() or self._limits.max_bytes)
        self._ends_at = begun_at + self._time_s
        while is_more:
            piece, is_more = await self._next()
            self._upload.received += len(piece)
            if self._upload.received > self._limits.max_bytes:
                raise self._too_large()
            self._check_rate(self._clock() - begun_at)
            if piece:
                yield piece

    async def _next(self) -> tuple[bytes, bool]:
        now = self._clock()
        wait_s = min(self._limits.idle_timeout_s, self._ends_at - now, self._deadline - now)
        if wait_s <= 0 or self._upload.has_to_go:
            raise self._late(now, wait_s)
        try:
            async with asyncio.timeout(wait_s) as waiting:
                self._upload.interrupt = lambda: None if waiting.expired() else waiting.reschedule(0.0)
                message = await self._receive()
        except TimeoutError as error:
            raise self._late(now, wait_s) from error
        finally:
            self._upload.interrupt = None
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up while sending")
        return message.get("body", b""), message.get("more_body", False)

    def _late(self, now: float, wait_s: float) -> PerceptError:
        """Why it is waited for no longer than that."""
        limits = self._limits
        if self._upload.has_to_go:
            return QueueFull("too many send at once, and this was the slowest; send it again later")
        if self._deadline - now <= wait_s:
            return DeadlineExceeded("the request ran past its deadline; ask for more time or send less")
        if self._ends_at - now > wait_s:
            return RequestTimeout(f"nothing arrived for {limits.idle_timeout_s:g} s; send it again")
        if self._time_s < limits.longest_s:
            return self._too_slow()
        return RequestTimeout(f"the body took longer than {limits.longest_s:g} s; use a faster line")

    def _check_headers(self) -> None:
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMedia("compressed bodies are not read; send the file as it is, without Content-Encoding")
        if self._declared() > self._limits.max_bytes:
            raise self._too_large()

    def _declared(self) -> int:
        """The declared size; 0 where none is."""
        digits = self._headers.get("content-length", "0")
        if not (digits.isascii() and digits.isdigit()):
            return 0
        # int() refuses numbers of thousands of digits
        return int(digits.lstrip("0")[:_MAX_SIZE_DIGITS] or "0")

    def _check_rate(self, elapsed_s: float) -> None:
        floor = self._limits.min_bytes_per_s
        if elapsed_s > _RATE_GRACE_S and self._upload.received < floor * elapsed_s:
            raise self._too_slow()

    def _too_slow(self) -> RequestTimeout:
        floor = self._limits.min_bytes_per_s
        return RequestTimeout(f"the body arrives at less than {floor} bytes per second; use a faster line")

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the body is larger than the limit of {self._limits.max_bytes} bytes; send less")


async def read_upload(
    headers: Headers, body: Body, media: tuple[str, ...], sink: Sink, fields: Collection[str]
) -> dict[str, str]:
    """Read the file into `sink` and give the other fields of the form.

    `media` are raw types such as `image/`; `fields` are the fields' names, which may be sent as files as well
    (`-F prompt=@names.txt`).

    Raises:
        MalformedRequest: broken multipart, an empty body or part, no `file`, more than one.
        UnsupportedMedia: a content type that is neither multipart nor of `media`.
        PayloadTooLarge, RequestTimeout, DeadlineExceeded, QueueFull, ClientGone: see `Body.pieces`.
    """
    content_type = headers.get("content-type", "").strip()
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        given = await _read_form(Form(options.get(b"boundary", b""), fields), body, sink)
    elif content_type.lower().startswith(media):
        given = {}
        async for piece in body.pieces():
            await sink.write(piece)
    else:
        await _refuse(content_type, body, media)
        given = {}
    if sink.size == 0:
        raise MalformedRequest(f"the body or its part `file` is empty; {SEND_ONE}")
    return given


async def _read_form(form: Form, body: Body, sink: Sink) -> dict[str, str]:
    async for piece in body.pieces():
        for data in form.feed(piece):
            await sink.write(data)
    return form.finish()


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
