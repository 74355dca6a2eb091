"""How much memory the decoders behind Pillow take for an image, known from its header before a pixel is decoded.

The figures are those of Pillow 13 with libjpeg-turbo 3, libtiff 4.7, libwebp 1.6 and libavif 1.4; a test decodes
large images of every format and finds none that takes more. What they leave out are the bytes of the file itself.
"""

from __future__ import annotations

from models.image_files import tiff
from models.image_files.opened import OpenedImage
from models.manifest import ImagePreprocessing

# Bytes a pixel of Pillow's own storage, by mode; of every other mode they are four.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_WORK_BYTES = 16 << 20  # rows that are widened, blended and resized, and what decoders have beside the pixels
# Bytes a pixel that a decoder holds beside that: canvases and copies; planes of 16 bits with alpha, and copies.
_HELD = {"BMP": 2, "WEBP": 12, "AVIF": 14, "HEIF": 14}
_READ_WHOLE = {"TIFF", "WEBP", "AVIF", "HEIF"}
# Decoders of a TIFF that keep more of a strip than the strip itself: coefficients, colours, a dictionary.
_HEAVY = {6, 7, 34925, 50000}
_YCBCR = 6


def footprint(opened: OpenedImage, spec: ImagePreprocessing, file_bytes: int) -> int:
    """The most bytes that `opened.square(spec)` takes beside the file, which is so many bytes long."""
    opened.draft(spec)
    image, kind = opened.image, opened.format
    pixels = image.width * image.height
    stored = pixels * _STORED.get(image.mode, 4)
    held = pixels * _HELD.get(kind, 0) + (2 * file_bytes if kind in _READ_WHOLE else 0)
    if opened.has_deep_key:
        held += pixels  # the alpha; its two halves are decoded one after the other
    if opened.directory:
        held += _strip_bytes(opened.directory) + (stored if opened.directory.is_turned else 0)
    return stored + held + opened.coefficient_bytes + _WORK_BYTES


def _strip_bytes(directory: tiff.Directory) -> int:
    is_heavy = directory.compression in _HEAVY or directory.photometric == _YCBCR
    return directory.piece_bytes * (4 if is_heavy else 1)
