"""One HTTP message while it arrives: how its body is framed, what it spends on anything else, and why it is refused.

A message may spend so many bytes and lines on its request line, header fields, trailers and the framing of chunks,
counted as they come, so that one without an end costs no more than the limit. Framing that could be read in two ways
is refused, though a parser lets it pass: what stands behind it would be a request to one reader and a body to another
(RFC 9112, 6 and 11.2). Whoever reads the wire writes here, and the application looks; the object travels in the
request's state. It knows no parser and no web framework.
"""

from __future__ import annotations

from service.errors import HeadersTooLarge, MalformedRequest, PerceptError

STATE = "incoming"
"""The object's name in the request's state."""
MAX_BYTES = 64 << 10
MAX_LINES = 100
_FIELD_BYTES = 4  # colon, space and line end
_BODY_PER_FRAMING = 4  # bytes of a body that pay for one of its framing: chunks of 20 bytes and more are free
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host"})
_INTEGER_DIGITS = 19  # of a length that fits 64 bits


class Incoming:
    """What is known of one message from its first byte on."""

    __slots__ = ("_bytes", "_framing_bytes", "_hosts", "_lines", "_open_bytes", "body_bytes", "is_chunked", "refusal")

    def __init__(self) -> None:
        self.refusal: PerceptError | None = None
        self.is_chunked = False
        self.body_bytes = 0
        """As declared; 0 where nothing is."""
        self._hosts = 0
        self._lines = 0
        self._bytes = 0
        self._open_bytes = 0
        self._framing_bytes = 0

    @property
    def is_begun(self) -> bool:
        """True once a part of its target is known, and so its method."""
        return self._bytes > 0

    def target(self, part: bytes) -> None:
        """Count a part of the request's target.

        Raises:
            HeadersTooLarge: it does not fit.
        """
        self._bytes += len(part)
        if self._bytes > MAX_BYTES:
            raise _too_large()

    def line(self, name: bytes, value: bytes) -> None:
        """Count a line: of a trailer, or of the header.

        Raises:
            HeadersTooLarge: it does not fit.
        """
        self._lines += 1
        self._bytes += len(name) + len(value) + _FIELD_BYTES
        if self._lines > MAX_LINES or self._bytes > MAX_BYTES:
            raise _too_large()

    def field(self, name: bytes, value: bytes) -> None:
        """Count a line of the header, and note what it says of the framing.

        Raises:
            HeadersTooLarge: it does not fit.
            MalformedRequest: it can be read in two ways.
        """
        self.line(name, value)
        name = name.lower()
        if name not in _FRAMING:
            return
        if name == b"content-length":
            digits = value.strip()  # the parser admits one such line, of digits
            self.body_bytes = int(digits) if len(digits) <= _INTEGER_DIGITS else 10**_INTEGER_DIGITS
        elif name == b"transfer-encoding":
            if self.is_chunked or value.strip().lower() != b"chunked":
                raise MalformedRequest("`Transfer-Encoding` may be `chunked`, once, and nothing else")
            self.is_chunked = True
        else:
            self._hosts += 1
            if self._hosts > 1:
                raise MalformedRequest("there is more than one `Host`")

    def complete(self, version: str) -> None:
        """Judge the whole header, of a request in this version of HTTP.

        Raises:
            MalformedRequest: the version is not ours, or does not know such framing.
        """
        if version not in {"1.0", "1.1"}:
            raise MalformedRequest("HTTP/1.1 is spoken here, and HTTP/1.0")
        if self.is_chunked and version == "1.0":
            raise MalformedRequest("HTTP/1.0 has no `Transfer-Encoding`; send a `Content-Length`")

    def wait(self, size: int) -> None:
        """Count bytes behind which the header is still not at its end: a line is known only when it has ended.

        Raises:
            HeadersTooLarge: they are too many.
        """
        self._open_bytes += size
        if self._open_bytes > MAX_BYTES:
            raise _too_large()

    def frame(self, size: int, body: int) -> None:
        """Count `size` bytes of a chunked message that brought `body` bytes of its body.

        Chunks of ordinary size pay for their framing. The rest adds up: tiny ones, sizes with endless zeros,
        extensions, trailers.

        Raises:
            HeadersTooLarge: it is too much.
        """
        self._framing_bytes = max(0, self._framing_bytes + size - body - body // _BODY_PER_FRAMING)
        if self._framing_bytes > MAX_BYTES:
            raise _too_large()


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"beside its body a request may have {MAX_BYTES} bytes, trailers and the framing of chunks included, and "
        f"{MAX_LINES} header lines; send fewer"
    )
