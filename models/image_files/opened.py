"""Opening an image file as both halves do: what is no part of the image is passed over, what would be shown wrongly
is refused by name, and what Pillow leaves half said is put right.

Limits, and errors for clients, are not here: they belong to whoever opens the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from models.image_files import jpeg, png, tiff
from models.image_files.unread import UnreadKind, why_unread
from models.manifest import ImagePreprocessing
from models.preprocess import NoScale, draft, fit, pieces, upright_size

READING = 2
"""Raised whenever the same file gives other pixels than before, so that nobody keeps what was read until then."""
_HEAD_BYTES = 1 << 16
# Pillow's names of the ways in which samples lie in a file → the same in this machine's order
_NATIVE = {
    "I;16S": "I;16NS", "I;16BS": "I;16NS", "I;32N": "I;32N", "I;32S": "I;32NS", "I;32BS": "I;32NS",
    "F;32F": "F;32NF", "F;32BF": "F;32NF",
}  # fmt: skip


@dataclass(frozen=True)
class Upright:
    """The square for a graph, uint8 `[crop, crop, 3]`, and the image's size as a viewer sees it, in pixels."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


class OpenedImage:
    """An open image file of which no pixel is decoded yet."""

    def __init__(
        self,
        image: ImageFile.ImageFile,
        head: bytes,
        directory: tiff.Directory | None = None,
        low: Image.Image | None = None,
        coefficient_bytes: int = 0,
    ) -> None:
        self.image = image
        self.coefficient_bytes = coefficient_bytes
        """What the decoder of a JPEG keeps of its coefficients."""
        self.directory = directory
        """Of a TIFF."""
        self._head = head
        self._low = low
        self._stored = image.size

    @property
    def has_deep_key(self) -> bool:
        """Whether one of its 16-bit colours is called transparent, so that it is decoded twice."""
        return self._low is not None

    @property
    def format(self) -> str:
        """In Pillow's words, such as JPEG."""
        # a phone's multi-picture JPEG is opened as a JPEG and then calls itself MPO
        return "JPEG" if self.image.format == "MPO" else str(self.image.format)

    def draft(self, spec: ImagePreprocessing) -> None:
        """Let a JPEG be decoded no larger than `square` needs it; `image.size` says how large that is."""
        draft(self.image, spec)

    def square(self, spec: ImagePreprocessing) -> Upright:
        """Decode it, once.

        Raises:
            UnreadKind: the file is whole, but of a kind that is not read.
            OSError, ValueError, SyntaxError, …: whatever Pillow raises on pixels that it cannot decode.
        """
        try:
            return self._square(spec)
        except NoScale as error:
            raise UnreadKind(str(error)) from error
        except (OSError, ValueError, SyntaxError) as error:
            if reason := why_unread(self._head):
                raise UnreadKind(reason) from error
            raise

    def _square(self, spec: ImagePreprocessing) -> Upright:
        image = self.image
        extents = image.tile[0].extents if image.format == "GIF" and image.tile else None
        self.draft(spec)
        alpha = self._lower_alpha()
        image.load()
        width, height = upright_size(image, None if image.format == "TIFF" else self._stored)
        if image.format == "BMP":
            _ignore_empty_alpha(image)
        if alpha is not None:
            _show_others(alpha, image, [value >> 8 for value in image.info.pop("transparency")])
            image.putalpha(alpha)
        # on nothing, where no colour of its own is called transparent, lies a frame that is smaller than the canvas
        frame = None if "transparency" in image.info else extents
        levels = self.directory.levels if self.directory else None
        return Upright(fit(image, spec, levels, frame), width, height)

    def _lower_alpha(self) -> Image.Image | None:
        """Alpha by the lower bits of 16-bit colours, where one of them is called transparent.

        They are decoded first and let go, since together with the upper ones they are twice the image.
        """
        if self._low is None:
            return None
        with self._low as low:
            self._low = None
            low.load()
            alpha = Image.new("L", low.size)
            _show_others(alpha, low, [value & 0xFF for value in self.image.info["transparency"]])
            return alpha


@contextmanager
def open_image(source: IO[bytes] | Path, formats: tuple[str, ...] | None = None) -> Iterator[OpenedImage]:
    """Open a seekable file from its beginning, whatever its name; it stays open as long as the image.

    Raises:
        UnreadKind: an image of a kind that is not read.
        OSError, ValueError, SyntaxError, …: damaged, or no image of these formats (`UnidentifiedImageError`).
    """
    with ExitStack() as held:
        file = held.enter_context(source.open("rb")) if isinstance(source, Path) else source
        file.seek(0)
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        try:
            opened = _open(file, head, formats)
        except Exception as error:
            if reason := why_unread(head):
                raise UnreadKind(reason) from error
            raise
        held.enter_context(opened.image)
        yield opened


def _open(file: IO[bytes], head: bytes, formats: tuple[str, ...] | None) -> OpenedImage:
    if head.startswith(png.SIGNATURE):
        return _open_png(file, head, formats)
    if head.startswith(tiff.PREFIXES):
        return _open_tiff(file, head, formats)
    coefficient_bytes = 0
    if head.startswith(jpeg.PREFIX):
        coefficient_bytes = jpeg.coefficient_bytes(file)
        file.seek(0)
    return OpenedImage(Image.open(file, formats=formats), head, coefficient_bytes=coefficient_bytes)


def _open_png(file: IO[bytes], head: bytes, formats: tuple[str, ...] | None) -> OpenedImage:
    parts = png.essential(file)
    image = Image.open(parts.file, formats=formats)
    key = image.info.get("transparency")
    if image.mode == "L" and isinstance(key, int) and parts.depth < 8:
        image.info["transparency"] = key * 255 // ((1 << parts.depth) - 1)  # Pillow scales the pixels alone
    low = None
    if image.mode == "RGB" and isinstance(key, tuple) and parts.depth == 16:
        low = Image.open(png.essential(file).file, formats=formats)
        # read in the wrong order of bytes, what Pillow keeps of each sample are the lower bits
        low.tile = [each._replace(args="RGB;16L") for each in low.tile]
    return OpenedImage(image, head, low=low)


def _open_tiff(file: IO[bytes], head: bytes, formats: tuple[str, ...] | None) -> OpenedImage:
    directory = tiff.read_directory(file)
    if directory and (reason := directory.why_unread()):
        raise UnreadKind(reason)
    if directory and directory.value_bytes > file.seek(0, io.SEEK_END):
        raise OSError("the values of its tags lie over each other, or behind the file's end")
    file.seek(0)
    # Pillow's own reading of uncompressed files mistakes channels that lie apart, and bits in reverse
    TiffImagePlugin.READ_LIBTIFF = True
    try:
        image = Image.open(file, formats=formats)
    except Exception as error:
        if directory and directory.is_complete:
            raise UnreadKind(directory.kind) from error
        raise
    if image.mode in {"I", "F"}:  # libtiff gives samples in this machine's order, and Pillow takes them in the file's
        image.tile = [each._replace(args=_in_native_order(each.args)) for each in image.tile]
    return OpenedImage(image, head, directory)


def _in_native_order(args: Any) -> tuple[Any, ...]:
    rawmode, *others = args
    return _NATIVE[rawmode], *others


def _ignore_empty_alpha(image: Image.Image) -> None:
    """An alpha channel that is 0 everywhere is what writers leave that fill in none."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        image.putalpha(255)


def _show_others(alpha: Image.Image, image: Image.Image, colour: Sequence[int]) -> None:
    """Make the alpha 255 where an RGB image has another colour."""
    for box in pieces((0, 0, *image.size)):
        values = np.asarray(image.crop(box))
        others = np.zeros(values.shape[:2], bool)
        for band, value in enumerate(colour):
            others |= values[..., band] != value
        alpha.paste(255, box, Image.fromarray(others.astype(np.uint8) * 255))
