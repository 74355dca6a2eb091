"""From the bytes of an image file to the square that the graph takes, within limits.

Only the formats listed here are tried, whatever the file is called. The picture's size is checked before a pixel is
decoded. Pillow raises many types on damaged files; here they all become one of three errors. It does not know models.
"""

from __future__ import annotations

import importlib
import io
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from models.image_files.opened import OpenedImage, Upright, open_image
from models.image_files.unread import UnreadKind
from models.manifest import ImagePreprocessing
from service.errors import ImageTooLarge, UndecodableImage, UnsupportedMedia

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_HEIC = "HEIF"
# How files of these formats begin: a damaged header is a damaged image, not an unknown format.
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
)
_DAMAGED = "the image is truncated or corrupt; send it again whole"
_UNKNOWN = "the bytes are no image of a format that is read here ({}); send one of these"


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `pixels` uint8 `[crop, crop, 3]`, and what the file said of itself."""

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str


class PictureDecoder:
    """Decodes within a limit of pixels; safe to share between threads."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        Image.init()  # otherwise Pillow registers only some formats before the first search
        _register_heic()
        self._formats = tuple(name for name in (*_FORMATS, _HEIC) if name in Image.OPEN)
        # Our own limit is checked below and is said in our own words; Pillow's would only warn on standard error.
        Image.MAX_IMAGE_PIXELS = None

    def decode(self, data: bytes, spec: ImagePreprocessing) -> Picture:
        """The picture in `data`, as `spec` wants it.

        Raises:
            UnsupportedMedia: no format that is read here, or a kind of it that is not.
            ImageTooLarge: more pixels than the limit.
            UndecodableImage: truncated or corrupt.
        """
        try:
            with ExitStack() as held:
                opened = self._open(held, data)
                self._check_size(opened.image)
                upright = _decoded(opened, spec)
        except UnreadKind as error:
            raise UnsupportedMedia(f"this kind of image is not read: {error.reason}") from error
        return Picture(upright.pixels, upright.width, upright.height, opened.format)

    def _open(self, held: ExitStack, data: bytes) -> OpenedImage:
        try:
            return held.enter_context(open_image(io.BytesIO(data), self._formats))
        except UnreadKind:
            raise
        except Exception as error:
            if isinstance(error, UnidentifiedImageError) and not _looks_known(data):
                raise UnsupportedMedia(_UNKNOWN.format(self._names())) from error
            raise UndecodableImage(_DAMAGED) from error

    def _names(self) -> str:
        return ", ".join(self._formats).replace(_HEIC, "HEIC")

    def _check_size(self, image: Image.Image) -> None:
        if image.width * image.height > self._max_pixels:
            raise ImageTooLarge(
                f"the image has {image.width} × {image.height} pixels and at most {self._max_pixels} are read; "
                "send a smaller one"
            )


def _decoded(opened: OpenedImage, spec: ImagePreprocessing) -> Upright:
    try:
        return opened.square(spec)
    except UnreadKind:
        raise
    except Exception as error:
        raise UndecodableImage(_DAMAGED) from error


def _looks_known(data: bytes) -> bool:
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    is_avif = data[4:12] in (b"ftypavif", b"ftypavis")
    return is_webp or is_avif or data.startswith(_SIGNATURES)


def _register_heic() -> None:
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
