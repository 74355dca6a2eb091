"""From a picture, however it was stored, to the uint8 square that an image graph takes.

Both halves call these functions, so a model is trained, evaluated and served on the same pixels. Arithmetic on
pixel values (float, mean, scale) is not here: it is inside the graph. Reading bytes, limits and errors are not here
either: they belong to whoever opened the picture.
"""

from __future__ import annotations

import math

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


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) where there is none or it cannot be read."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises many types here, struct.error among them
        return 1  # a broken EXIF block is no reason to refuse a good picture
    return value if value in _UPRIGHT else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels as a viewer sees the picture; nothing is decoded."""
    width, height = image.size
    return (height, width) if orientation(image) in _TURNED else (width, height)


def draft(image: Image.Image, spec: ImagePreprocessing) -> None:
    """Let a JPEG decoder scale down while it decodes, never below the size that `fit` resizes to.

    Must come before the pixels are loaded; other formats are left alone.
    """
    scale = spec.resize_px / min(image.size)
    if image.format == "JPEG" and scale < 0.5:
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def fit(image: Image.Image, spec: ImagePreprocessing) -> NDArray[np.uint8]:
    """The centre square of the picture, upright, as uint8 `[crop_px, crop_px, 3]` RGB.

    The same as resizing the shorter side to `resize_px` and cutting the centre `crop_px` square, but only what the
    crop needs is converted and resized, so an extreme strip costs no more than a square. The input is not changed
    beyond being loaded. Source of the recipe: EfficientNet-Lite's evaluation (resize, centre crop, bicubic).

    Raises:
        OSError, ValueError, SyntaxError, …: whatever Pillow raises on pixels it cannot decode.
    """
    resampling, support = _RESAMPLING[spec.interpolation]
    turn = _UPRIGHT.get(orientation(image))
    side = min(image.size) * spec.crop_px / spec.resize_px
    left, top = (image.width - side) / 2, (image.height - side) / 2
    margin = math.ceil(support * max(1.0, side / spec.crop_px)) + 1
    region_box = (
        max(0, math.floor(left) - margin),
        max(0, math.floor(top) - margin),
        min(image.width, math.ceil(left + side) + margin),
        min(image.height, math.ceil(top + side) + margin),
    )
    region = to_rgb(image.crop(region_box))
    box = (left - region_box[0], top - region_box[1], left - region_box[0] + side, top - region_box[1] + side)
    box = (
        max(0.0, box[0]),
        max(0.0, box[1]),
        min(float(region.width), box[2]),
        min(float(region.height), box[3]),
    )
    square = region.resize((spec.crop_px, spec.crop_px), resampling, box=box)
    return np.asarray(square if turn is None else square.transpose(turn), dtype=np.uint8)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode as RGB: alpha over white, 16-bit and float greys scaled to 8 bits, palettes resolved."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _grey_to_8_bits(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey_to_8_bits(image: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits or floats: integers above 255 are read as 16-bit, floats up to 1 as fractions."""
    grey = np.nan_to_num(np.asarray(image, dtype=np.float64))
    peak = float(grey.max(initial=0.0))
    if image.mode.startswith("I;16") or (image.mode == "I" and peak > 255):
        grey = grey / 257.0
    elif image.mode == "F" and peak <= 1.0:
        grey = grey * 255.0
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8), "L")
