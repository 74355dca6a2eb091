"""Opening an image file as both halves do: what is no part of the image is passed over, what would be shown wrongly
is refused by name, and what Pillow leaves half said is put right.

Limits, and errors for clients, are not here: they belong to whoever opens the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from models.image_files import png, tiff
from models.image_files.unread import UnreadKind, why_unread
from models.manifest import ImagePreprocessing
from models.preprocess import Levels, NoScale, draft, fit, upright_size

READING = 2
"""Raised whenever the same file gives other pixels than before, so that nobody keeps what was read until then."""
_HEAD_BYTES = 1 << 16
_STRIP_PIXELS = 1 << 20  # what is looked at at once
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
        self, image: ImageFile.ImageFile, head: bytes, levels: Levels | None, low: Image.Image | None
    ) -> None:
        self.image = image
        self._head = head
        self._levels = levels
        self._low = low

    @property
    def format(self) -> str:
        """In Pillow's words, such as JPEG."""
        # a phone's multi-picture JPEG is opened as a JPEG and then calls itself MPO
        return "JPEG" if self.image.format == "MPO" else str(self.image.format)

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
        image: Image.Image = self.image
        extents = self.image.tile[0].extents if image.format == "GIF" and self.image.tile else None
        stored = image.size
        draft(image, spec)
        image.load()
        width, height = upright_size(image, None if image.format == "TIFF" else stored)
        if image.format == "BMP":
            _ignore_empty_alpha(image)
        if self._low is not None:
            _apply_key(image, self._low)
        if extents is not None:
            image = _on_white(image, extents)
        return Upright(fit(image, spec, self._levels), width, height)


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
            image, levels, low = _open(file, head, formats)
        except Exception as error:
            if reason := why_unread(head):
                raise UnreadKind(reason) from error
            raise
        held.enter_context(image)
        yield OpenedImage(image, head, levels, low)


_Parts = tuple[ImageFile.ImageFile, Levels | None, Image.Image | None]


def _open(file: IO[bytes], head: bytes, formats: tuple[str, ...] | None) -> _Parts:
    if head.startswith(png.SIGNATURE):
        return _open_png(file, formats)
    if head.startswith(tiff.PREFIXES):
        return _open_tiff(file, formats)
    return Image.open(file, formats=formats), None, None


def _open_png(file: IO[bytes], formats: tuple[str, ...] | None) -> _Parts:
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
    return image, None, low


def _open_tiff(file: IO[bytes], formats: tuple[str, ...] | None) -> _Parts:
    directory = tiff.read_directory(file)
    if directory and (reason := directory.why_unread()):
        raise UnreadKind(reason)
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
    return image, directory.levels if directory else None, None


def _in_native_order(args: Any) -> tuple[Any, ...]:
    rawmode, *others = args
    return _NATIVE[rawmode], *others


def _ignore_empty_alpha(image: Image.Image) -> None:
    """An alpha channel that is 0 everywhere is what writers leave that fill in none."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        image.putalpha(255)


def _apply_key(image: Image.Image, low: Image.Image) -> None:
    """Clear the pixels whose 16 bits of each sample are those of the transparent colour; `low` has the lower 8."""
    low.load()
    key = image.info.pop("transparency")
    alpha = Image.new("L", image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = (0, top, image.width, min(image.height, top + rows))
        words = np.asarray(image.crop(strip)).astype(np.uint16) << 8 | np.asarray(low.crop(strip))
        alpha.paste(Image.fromarray(np.where((words == key).all(axis=2), 0, 255).astype(np.uint8)), strip)
    image.putalpha(alpha)


def _on_white(image: Image.Image, extents: tuple[int, int, int, int]) -> Image.Image:
    """A frame that is smaller than the canvas lies on nothing, where no colour of its own is called transparent."""
    if extents == (0, 0, *image.size) or "transparency" in image.info:
        return image
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image.crop(extents).convert("RGB"), extents)
    return canvas
