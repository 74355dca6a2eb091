"""Content-Transfer-Encoding: how some clients wrap the bytes of a part, undone while they arrive.

RFC 7578 advises against it, and yet programs send pictures as base64 in a form. The encodings are those of RFC 2045;
what does not keep to them is refused, for a picture that was guessed together would be another picture. It knows
neither forms nor what is wrapped.
"""

from __future__ import annotations

import binascii
import re
import string
from typing import Protocol

from service.errors import MalformedRequest, UnsupportedMedia

_BLANKS = b" \t\r\n"
_PAD = b"="
_ALPHABET = string.ascii_letters.encode() + string.digits.encode() + b"+/" + _PAD
_QUOTED = rb"=(?:[0-9A-Fa-f]{2}|[ \t]*\r?\n)"
_NOT_QUOTED = re.compile(rb"(?!%s)=" % _QUOTED)
_PADDED_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")
_UNFINISHED = re.compile(rb"=(?:[0-9A-Fa-f]?|[ \t]+\r?|\r)\Z")
_LONGEST_UNFINISHED = 1000  # blanks before the end of a line; it may have 76 characters in all


class Decoder(Protocol):
    """Undoes an encoding piece by piece."""

    def feed(self, data: bytes) -> bytes:
        """What can be told of the original with this piece.

        Raises:
            MalformedRequest: the bytes are not of this encoding.
        """
        ...

    def finish(self) -> None:
        """Nothing follows.

        Raises:
            MalformedRequest: the bytes end in the middle.
        """
        ...


class Plain:
    """Bytes that are what they are."""

    def feed(self, data: bytes) -> bytes:
        """The same."""
        return data

    def finish(self) -> None:
        """Any end is one."""


class Base64:
    """Groups of four characters, lines of any length."""

    def __init__(self) -> None:
        self._group = b""
        self._is_over = False

    def feed(self, data: bytes) -> bytes:
        """The groups that are complete, decoded; blanks and line ends do not count."""
        data = self._group + data.translate(None, _BLANKS)
        if not data:
            return b""
        if self._is_over:
            raise MalformedRequest("the base64 of a part goes on behind its end (`=`); encode the file anew")
        if data.translate(None, _ALPHABET):
            raise self._broken()
        whole = len(data) - len(data) % 4
        self._group = data[whole:]
        self._is_over = data[:whole].endswith(_PAD)
        try:
            return binascii.a2b_base64(data[:whole], strict_mode=True)
        except binascii.Error as error:
            raise self._broken() from error

    @staticmethod
    def _broken() -> MalformedRequest:
        return MalformedRequest(
            "a part says that it is base64 and holds something else; encode the file anew, or send it as it is"
        )

    def finish(self) -> None:
        """The last group is complete."""
        if self._group:
            raise MalformedRequest("the base64 of a part ends in the middle of a group of four; send it again whole")


class QuotedPrintable:
    """Text with `=XX` for other bytes, and `=` at the end of lines that were divided."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """All but what an `=` near the end leaves open."""
        data = self._held + data
        unfinished = _UNFINISHED.search(data, max(0, len(data) - _LONGEST_UNFINISHED))
        cut = unfinished.start() if unfinished else len(data)
        data, self._held = data[:cut], data[cut:]
        if _NOT_QUOTED.search(data):
            raise MalformedRequest("a part says that it is quoted-printable, and an `=` in it is not; encode it anew")
        return binascii.a2b_qp(_PADDED_BREAK.sub(_PAD, data))

    def finish(self) -> None:
        """No byte is left open; an `=` may be, since the line's end behind it is the boundary's."""
        if self._held.strip(_BLANKS) not in (b"", _PAD):
            raise MalformedRequest("the quoted-printable of a part ends in the middle; send it again whole")


def decoder_of(encoding: str) -> Decoder:
    """What undoes the encoding that a part's header names.

    Raises:
        UnsupportedMedia: it is none of RFC 2045's.
    """
    match encoding.strip().lower():
        case "" | "7bit" | "8bit" | "binary":
            return Plain()
        case "base64":
            return Base64()
        case "quoted-printable":
            return QuotedPrintable()
    raise UnsupportedMedia(
        f"a part has the Content-Transfer-Encoding {encoding[:80]}, which is not read; send the file as it is"
    )
