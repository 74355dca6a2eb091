"""From a picture, however it was stored, to the uint8 square that an image graph takes.

Both halves call these functions, so a model is trained, evaluated and served on the same pixels. Arithmetic on
pixel values (float, mean, scale) is not here: it is inside the graph. Reading bytes, limits and errors are not here
either: they belong to whoever opened the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.manifest import ImagePreprocessing

_RESAMPLING = {
    "bicubic": (Image.Resampling.BICUBIC, 2.0),
    "bilinear": (Image.Resampling.BILINEAR, 1.0),
    "nearest": (Image.Resampling.NEAREST, 0.5),
}
_EXIF_ORIENTATION = 0x0112
# What undoes each EXIF orientation (Exif 2.32, tag 274).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = {5, 6, 7, 8}
_FRACTIONS_UP_TO, _BYTES_UP_TO, _WORDS_UP_TO = 2.0, 256.0, 65_535.0
_PIECE_PIXELS = 1 << 17  # as many, or a row of the square, are widened or blended at once: some megabytes
_MOST_BELOW_BLACK = 0.1  # of the highest value: what resampling leaves at edges


Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; the last two lie outside."""


class NoScale(ValueError):
    """Values of which nobody can say where black and white are."""


@dataclass(frozen=True)
class Levels:
    """Which stored values of a grey image, wider than 8 bits, are black and white."""

    black: float
    white: float

    def to_8_bits(self, grey: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Values as uint8 of the same shape."""
        scaled = (grey - self.black) * (255.0 / (self.white - self.black))
        return np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


WORDS = Levels(0.0, 65_535.0)
"""Grey of 16 bits."""


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) where there is none or it cannot be read."""
    if image.format == "TIFF":
        return 1  # Pillow turns it while it loads, and gives its size as if it had
    if image.format == "PNG":
        image.load()  # where EXIF is asked for Pillow does so, and what is raised then must not pass for broken EXIF
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises many types here, struct.error among them
        return 1  # a broken EXIF block is no reason to refuse a good picture
    return value if value in _UPRIGHT else 1


def upright_size(image: Image.Image, stored: tuple[int, int] | None = None) -> tuple[int, int]:
    """Width and height in pixels as a viewer sees the picture; `stored` is its size before it was drafted."""
    width, height = stored or image.size
    return (height, width) if orientation(image) in _TURNED else (width, height)


def draft(image: Image.Image, spec: ImagePreprocessing) -> None:
    """Let a JPEG decoder scale down while it decodes, never below the size that `fit` resizes to.

    Must come before the pixels are loaded; other formats are left alone.
    """
    scale = spec.resize_px / min(image.size)
    if image.format == "JPEG" and scale < 0.5:
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def fit(
    image: Image.Image, spec: ImagePreprocessing, levels: Levels | None = None, frame: Box | None = None
) -> NDArray[np.uint8]:
    """The centre square of the picture, upright, as uint8 `[crop_px, crop_px, 3]` RGB.

    The same as resizing the shorter side to `resize_px` and cutting the centre `crop_px` square, but only what the
    crop needs is converted and resized, so an extreme strip costs no more than a square, and piece by piece, so that
    beside the stored pixels there are never more than a few megabytes. The input is not changed beyond being loaded.
    Of wide greys `levels` says what is black and white; by default they are judged by their values. Outside of
    `frame`, where it is given, the picture is white. Source of the recipe: EfficientNet-Lite's evaluation (resize,
    centre crop, bicubic).

    Raises:
        NoScale: greys whose values do not tell what is black and white.
        OSError, ValueError, SyntaxError, …: whatever Pillow raises on pixels it cannot decode.
    """
    resampling, support = _RESAMPLING[spec.interpolation]
    image.load()
    turn = _UPRIGHT.get(orientation(image))
    levels = levels or levels_of(image)
    side = min(image.size) * spec.crop_px / spec.resize_px
    left, top = (image.width - side) / 2, (image.height - side) / 2
    margin = math.ceil(support * max(1.0, side / spec.crop_px)) + 1
    region = (
        max(0, math.floor(left) - margin),
        max(0, math.floor(top) - margin),
        min(image.width, math.ceil(left + side) + margin),
        min(image.height, math.ceil(top + side) + margin),
    )
    width, height = region[2] - region[0], region[3] - region[1]
    x, y = max(0.0, left - region[0]), max(0.0, top - region[1])
    right, bottom = min(float(width), left - region[0] + side), min(float(height), top - region[1] + side)
    # Pillow resizes rows first and columns then, rounding to bytes between: in two steps it gives the same pixels
    narrow = Image.new("RGB", (spec.crop_px, height))
    for box in _rows(region):
        strip = _on_white(to_rgb(image.crop(box), levels), box, frame)
        place = (0, box[1] - region[1])
        narrow.paste(strip.resize((spec.crop_px, strip.height), resampling, box=(x, 0, right, strip.height)), place)
    square = narrow.resize((spec.crop_px, spec.crop_px), resampling, box=(0, y, spec.crop_px, bottom))
    return np.asarray(square if turn is None else square.transpose(turn), dtype=np.uint8)


def pieces(region: Box) -> Iterator[Box]:
    """A region in pieces of which each may be widened or blended as a whole."""
    left, top, right, bottom = region
    for column in range(left, right, _PIECE_PIXELS):
        yield from _rows((column, top, min(right, column + _PIECE_PIXELS), bottom))


def _rows(region: Box) -> Iterator[Box]:
    left, top, right, bottom = region
    rows = max(1, _PIECE_PIXELS // (right - left))
    for row in range(top, bottom, rows):
        yield (left, row, right, min(bottom, row + rows))


def _on_white(strip: Image.Image, box: Box, frame: Box | None) -> Image.Image:
    """A strip, which lies at `box`, with white around the frame."""
    if frame is None:
        return strip
    inner = (
        max(0, frame[0] - box[0]), max(0, frame[1] - box[1]),
        min(strip.width, frame[2] - box[0]), min(strip.height, frame[3] - box[1]),
    )  # fmt: skip
    white = Image.new("RGB", strip.size, "white")
    if inner[0] < inner[2] and inner[1] < inner[3]:
        white.paste(strip.crop(inner), inner)
    return white


def levels_of(image: Image.Image) -> Levels | None:
    """Black and white of a wide grey image by its mode and values; None for every other.

    Whole numbers up to 255 are read as bytes, larger ones as words of 16 bits; floating-point numbers up to 1 (and
    somewhat above, as exposures are) as fractions, larger ones like whole numbers.

    Raises:
        NoScale: there are values far below 0, or above 65,535.
    """
    if image.mode.startswith("I;16"):
        return WORDS
    if image.mode not in {"I", "F"}:
        return None
    low, high = _extremes(image)
    if low < -_MOST_BELOW_BLACK * high or high > _WORDS_UP_TO:
        raise NoScale(f"grey values from {low:g} to {high:g}, of which none is known to be black or white")
    if image.mode == "F" and high <= _FRACTIONS_UP_TO:
        return Levels(0.0, 1.0)
    return Levels(0.0, 255.0) if high < _BYTES_UP_TO else WORDS


def _extremes(image: Image.Image) -> tuple[float, float]:
    """The lowest finite value, or 0, and the highest."""
    low = high = 0.0
    for box in pieces((0, 0, *image.size)):
        values = np.asarray(image.crop(box))
        finite = values[np.isfinite(values)]
        low, high = float(finite.min(initial=low)), float(finite.max(initial=high))
    return low, high


def to_rgb(image: Image.Image, levels: Levels | None = None) -> Image.Image:
    """Any Pillow mode as RGB: alpha over white, 16-bit and float greys scaled to 8 bits, palettes resolved.

    Raises:
        NoScale: as in `levels_of`, where no levels are given.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if levels := levels or levels_of(image):
        return _grey_to_8_bits(image, levels).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey_to_8_bits(image: Image.Image, levels: Levels) -> Image.Image:
    """Greys of 16 or 32 bits or floats; the value that a file calls transparent lies over white."""
    values = np.asarray(image)
    grey = levels.to_8_bits(values.astype(np.float64))
    key = image.info.get("transparency")
    if key is not None:
        grey[values == key] = 255
    return Image.fromarray(grey, "L")
