"""One multipart/form-data body (RFC 7578), parsed as it arrives: the file's bytes pass through, fields are kept.

File names and the types of parts are ignored: the bytes will say what they are. It does not know where bytes come
from or go to, nor what fields mean.
"""

from __future__ import annotations

from collections.abc import Collection

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.api.transfer import Decoder, Plain, decoder_of
from service.errors import MalformedRequest, PayloadTooLarge

FILE = "file"
SEND_ONE = "send one image or recording as the part `file` of multipart/form-data, or as the body itself"
_MAX_FIELD_BYTES = 64 << 10  # all fields of a form together
_MAX_PARTS = 64
_SHOWN_CHARACTERS = 80


class Form:
    """Feed it the body's pieces; what comes back are the file's."""

    def __init__(self, boundary: bytes, fields: Collection[str]) -> None:
        """For bodies of this boundary; `fields` are the names that may hold something else than the file.

        Raises:
            MalformedRequest: the boundary is missing or too long.
        """
        if not boundary:
            raise MalformedRequest("the multipart content type names no boundary; let your client library set it")
        self._known = fields
        self._file_pieces: list[bytes] = []
        self._fields: dict[str, bytearray] = {}
        self._files = 0
        self._parts = 0
        self._is_complete = False
        self._begin_part()
        self._preamble: Preamble | None = Preamble(boundary)
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
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedRequest("the multipart boundary is too long") from error

    def feed(self, piece: bytes) -> list[bytes]:
        """Parse the next piece of the body; the bytes of the file that were in it.

        Raises:
            MalformedRequest: it is no form, or not one with one file.
            UnsupportedMedia: a part is wrapped in a way that is not read.
            PayloadTooLarge: its fields are.
        """
        if self._preamble is not None:
            piece = self._preamble.skipped(piece)
            if piece:
                self._preamble = None
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise MalformedRequest("the multipart body is broken; let a client library build it") from error
        pieces, self._file_pieces = self._file_pieces, []
        return pieces

    def finish(self) -> dict[str, str]:
        """The fields, now that the whole body was fed.

        Raises:
            MalformedRequest: it ended early, held no file, or a field is not UTF-8.
        """
        if self._preamble is not None and self._preamble.is_all:
            raise MalformedRequest("the multipart body is broken: the boundary of its content type is nowhere in it")
        if not self._is_complete:
            raise MalformedRequest("the multipart body ends before its closing boundary; send it again whole")
        if self._files == 0:
            raise MalformedRequest(f"the form has no part named `file`; {SEND_ONE}")
        try:
            return {name: value.decode("utf-8") for name, value in self._fields.items()}
        except UnicodeDecodeError as error:
            raise MalformedRequest("a field of the form is not UTF-8") from error

    def _begin_part(self) -> None:
        self._name = ""
        self._is_file = False
        self._encoding: str | None = None
        self._decoder: Decoder = Plain()
        self._header = (bytearray(), bytearray())

    def _on_part_begin(self) -> None:
        self._begin_part()
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise MalformedRequest(f"the form has more than {_MAX_PARTS} parts")

    def _on_header_end(self) -> None:
        name, value = (bytes(half).decode("latin-1") for half in self._header)
        self._header = (bytearray(), bytearray())
        if name.lower() == "content-disposition":
            _, options = parse_options_header(value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            self._is_file = b"filename" in options or "filename*" in value
        elif name.lower() == "content-transfer-encoding":
            if self._encoding not in (None, value):
                raise MalformedRequest("a part has two Content-Transfer-Encodings")
            self._encoding, self._decoder = value, decoder_of(value)

    def _on_headers_finished(self) -> None:
        if self._name == FILE:
            self._files += 1
            if self._files > 1:
                raise MalformedRequest(f"the form has more than one part named `file`; {SEND_ONE}")
        elif not self._name:
            raise MalformedRequest("a part of the form has no name")
        elif self._name in self._fields:
            raise MalformedRequest(f"the field `{self._name[:_SHOWN_CHARACTERS]}` is given twice")
        elif self._is_file and self._name not in self._known:
            raise self._misnamed()
        else:
            self._fields[self._name] = bytearray()

    def _misnamed(self) -> MalformedRequest:
        return MalformedRequest(f"the form sends a file as the part `{self._name[:_SHOWN_CHARACTERS]}`; {SEND_ONE}")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        decoded = self._decoder.feed(data[start:end])
        if self._name == FILE:
            self._file_pieces.append(decoded)
            return
        self._fields[self._name] += decoded
        if sum(len(value) for value in self._fields.values()) > _MAX_FIELD_BYTES:
            if self._name not in self._known:  # too large for a field, and none that is known
                raise self._misnamed()
            raise PayloadTooLarge(f"the form's fields are larger than {_MAX_FIELD_BYTES} bytes together")

    def _on_part_end(self) -> None:
        self._decoder.finish()

    def _on_end(self) -> None:
        self._is_complete = True


class Preamble:
    """What may stand before the first boundary, for readers who know no multipart (RFC 2046, 5.1.1)."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"--" + boundary
        self._tail = b"\n"  # the boundary begins a line, and so does the body
        self._is_found = False
        self._size = 0

    @property
    def is_all(self) -> bool:
        """Something was read, and no boundary was in it."""
        return self._size > 0 and not self._is_found

    def skipped(self, piece: bytes) -> bytes:
        """Nothing before the boundary was found, and then the boundary's line and all behind it."""
        self._size += len(piece)
        line = b"\n" + self._delimiter
        if not self._is_found:
            text = self._tail + piece
            place = text.find(line)
            if place < 0:
                self._tail = text[-len(line) + 1 :]
                return b""
            self._is_found, self._tail = True, b""
            piece = text[place + len(line) :]
        # blanks may be added behind a boundary on its way; the parser takes them behind later ones only
        rest = piece.lstrip(b" \t")
        return self._delimiter + rest if rest else b""
