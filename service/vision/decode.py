"""From the bytes of an image file to the square that the graph takes, within limits.

Only the formats listed here are tried, whatever the file is called. The picture's size is checked before a pixel is
decoded. Pillow raises many types on damaged files; here they all become one of three errors. It does not know models.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from models.manifest import ImagePreprocessing
from models.preprocess import draft, fit, upright_size
from service.errors import ImageTooLarge, UndecodableImage, UnsupportedMedia

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_HEIC = "HEIF"
# How files of these formats begin: a damaged header is a damaged image, not an unknown format.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
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
            UnsupportedMedia: no format that is read here.
            ImageTooLarge: more pixels than the limit.
            UndecodableImage: truncated or corrupt.
        """
        with self._open(data) as image:
            self._check_size(image)
            width, height = upright_size(image)
            try:
                draft(image, spec)
                pixels = fit(image, spec)
            except Exception as error:
                raise UndecodableImage("the image is truncated or corrupt; send it again whole") from error
            # a phone's multi-picture JPEG is opened as a JPEG and then calls itself MPO
            return Picture(pixels, width, height, "JPEG" if image.format == "MPO" else str(image.format))

    def _open(self, data: bytes) -> Image.Image:
        try:
            return Image.open(io.BytesIO(data), formats=self._formats)
        except Exception as error:
            if isinstance(error, UnidentifiedImageError) and not _looks_known(data):
                raise UnsupportedMedia(_UNKNOWN.format(self._names())) from error
            raise UndecodableImage("the image's header is truncated or corrupt; send it again whole") from error

    def _names(self) -> str:
        return ", ".join(self._formats).replace(_HEIC, "HEIC")

    def _check_size(self, image: Image.Image) -> None:
        if image.width * image.height > self._max_pixels:
            raise ImageTooLarge(
                f"the image has {image.width} × {image.height} pixels and at most {self._max_pixels} are read; "
                "send a smaller one"
            )


def _looks_known(data: bytes) -> bool:
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    is_avif = data[4:12] in (b"ftypavif", b"ftypavis")
    return is_webp or is_avif or data.startswith(_SIGNATURES)


def _register_heic() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
