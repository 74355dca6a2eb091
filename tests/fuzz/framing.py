"""Requests as bytes: headers without end, lengths that contradict each other, bodies that are requests themselves.

A body that hides a request gives it the id `hidden`; no answer may ever carry that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from tests.fuzz.mutations import mutated
from tests.pictures import CLOCK

HIDDEN = b"hidden"
_HIDDEN_REQUEST = (
    b"POST /models/efficientnet-lite0/unload HTTP/1.1\r\nHost: x\r\nX-Request-ID: hidden\r\nContent-Length: 0\r\n\r\n"
)
_HEAD = b"POST /classify-image HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
_LENGTHS = (
    b"5",
    b"+5",
    b"-5",
    b"0x5",
    b"5, 5",
    b"5, 6",
    b" 5 ",
    b"5\x0b",
    b"",
    b"1e3",
    b"\xd9\xa5",
    b"9" * 30,
    b"18446744073709551621",
)
_CODINGS = (
    b"chunked",
    b"Chunked",
    b"chunked, chunked",
    b"identity",
    b"chunked, identity",
    b"gzip, chunked",
    b"xchunked",
    b"chunked\x0b",
    b"\x0bchunked",
    b'"chunked"',
    b"chunked;q=1",
    b"",
)
_CHUNKS = (
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nhello",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n",
    b"5;" + b"x" * 90_000 + b"\r\nhello\r\n0\r\n\r\n",
    b"\r\n",
    b"g\r\n",
    b"5\r\nhe",
    b"1\r\nh\r\n" * 2000 + b"0\r\n\r\n",
    b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    b"0\r\n" + b"a" * 200_000,
)
_LINES = (
    b"X: " + b"x" * 200_000,
    b"X: y\r\n" * 5000,
    b"x" * 100_000 + b": y",
    b"X : y",
    b" folded",
    b": y",
    b"no colon",
    b"X: a\0b",
    b"X: a\rb",
    b"X: a\nY: b",
    b"\xff\xfe: \xfd",
    b"Host: y",
    b"Host:",
    b"Connection: close, keep-alive",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Content-Encoding: gzip",
    b"TE: trailers",
    b"X-Request-ID: " + b"i" * 999,
    b"X-Request-Timeout: nan",
    b"X-Request-Timeout: 1e-9",
    b"X-Request-Timeout: -1",
    b"Authorization: Bearer ",
    b"Range: bytes=0-",
    b"X-Forwarded-For: " + b"1.2.3.4, " * 500,
    b"Content-Type: multipart/form-data",
    b"Content-Type: multipart/form-data; boundary=",
    b"Content-Type: multipart/form-data; boundary=" + b"b" * 5000,
    b"Content-Type: image/\xff",
)
_STARTS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\r\n" * 40_000,
    b"GET " + b"/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://other/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"get /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"A" * 100_000,
    b"GET /models/%00%ff..%2f..%2f HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /models?\xff=\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health/live HTTP/1.0\r\n\r\n",
    b"POST /transcribe HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)


def _any(rng: np.random.Generator, of: Sequence[bytes]) -> bytes:
    return of[int(rng.integers(len(of)))]


def _lengths(rng: np.random.Generator) -> bytes:
    """One length or two; what follows a plain 5 would be a request of its own."""
    lengths = [_any(rng, _LENGTHS) for _ in range(int(rng.integers(1, 3)))]
    lines = b"".join(b"Content-Length: %s\r\n" % each for each in lengths)
    is_plain = {part.strip(b" ") for each in lengths for part in each.split(b",")} == {b"5"}
    return _HEAD + lines + b"\r\nhello" + (b"" if is_plain else _HIDDEN_REQUEST)


def _codings(rng: np.random.Generator) -> bytes:
    """One coding or two, beside a length or not; what follows plain chunks would be a request of its own."""
    codings = [_any(rng, _CODINGS) for _ in range(int(rng.integers(1, 3)))]
    lines = b"".join(b"Transfer-Encoding: %s\r\n" % each for each in codings)
    has_length = bool(rng.integers(2))
    if has_length:
        lines += b"Content-Length: %s\r\n" % _any(rng, _LENGTHS)
    is_plain = not has_length and [each.lower() for each in codings] == [b"chunked"]
    return _HEAD + lines + b"\r\n" + _any(rng, _CHUNKS) + (b"" if is_plain else _HIDDEN_REQUEST)


def _chunks(rng: np.random.Generator) -> bytes:
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + _any(rng, _CHUNKS)


def _upgrade(rng: np.random.Generator) -> bytes:
    to = _any(rng, (b"h2c", b"websocket", b"HTTP/2.0", b"TLS/1.0", b"x, h2c"))
    body = _HIDDEN_REQUEST
    lines = b"Connection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n" % (to, len(body))
    return _HEAD + lines + body


def _header(rng: np.random.Generator) -> bytes:
    lines = b"".join(_any(rng, _LINES) + b"\r\n" for _ in range(int(rng.integers(1, 4))))
    return _HEAD + lines + b"Content-Length: 5\r\n\r\nhello"


def _start(rng: np.random.Generator) -> bytes:
    return _any(rng, _STARTS)


def _sent_ahead(rng: np.random.Generator) -> bytes:
    return b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * int(rng.integers(2, 60)) + _start(rng)


def _form(rng: np.random.Generator) -> bytes:
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + CLOCK.read_bytes()[:2000]
    parts = (
        b"",
        b"--b--\r\n",
        file,
        file + b"\r\n--b--\r\n",
        b"preamble" * 9000 + file,
        file + b"\r\n--b",
        b"--b\r\n" * 3000,
        b"--b\r\n" + b"X: y\r\n" * 9000,
        b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 90_000 + b'"\r\n\r\n1\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n5\r\n' * 900 + b"--b--",
        b"--b\r\n\r\nx\r\n--b--",
        file.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1) + b"\r\n--b--",
    )
    body = _any(rng, parts)
    route = _any(rng, (b"/classify-image", b"/transcribe"))
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n" % route
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _damaged(rng: np.random.Generator) -> bytes:
    picture = CLOCK.read_bytes()
    good = _HEAD + b"Content-Length: %d\r\n\r\n" % len(picture) + picture
    return mutated(good, rng, (_start(rng), _chunks(rng)))


KINDS: tuple[Callable[[np.random.Generator], bytes], ...] = (
    _lengths,
    _codings,
    _chunks,
    _upgrade,
    _header,
    _start,
    _sent_ahead,
    _form,
    _damaged,
)


def case(seed: int, number: int) -> list[bytes]:
    """The attack of that number, as the pieces in which it is sent."""
    rng = np.random.default_rng([seed, number])
    request = KINDS[number % len(KINDS)](rng)
    edges = sorted(int(each) for each in rng.integers(0, len(request) + 1, int(rng.integers(0, 6))))
    bounds = [0, *edges, len(request)]
    return [request[a:b] for a, b in pairwise(bounds) if b > a]
