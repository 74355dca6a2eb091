"""Pictures drawn by this program: the golden media that every image artifact carries, free of anybody's rights.

They are scenes rather than noise, so that a network's answer is not the same for all of them, and their pixels repeat
exactly. The third lies on its side in the file and says so in its EXIF block.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_EXIF_ORIENTATION = 0x0112
_EXIF_TURN_CLOCKWISE = 6
_SEED = 20261124


def golden_media() -> list[bytes]:
    """Three encoded files: a PNG, a JPEG, and a JPEG whose EXIF orientation is 6 (turn right to see it upright)."""
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _EXIF_TURN_CLOCKWISE
    sideways = shore(480, 360).transpose(Image.Transpose.ROTATE_90)
    return [
        _encoded(traffic_light(320, 420), format="PNG", optimize=True),
        _encoded(ball_on_grass(500, 375), format="JPEG", quality=90),
        _encoded(sideways, format="JPEG", quality=85, exif=exif.tobytes()),
    ]


def _encoded(image: Image.Image, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


def traffic_light(width: int, height: int) -> Image.Image:
    """A traffic light before a pale sky; RGB."""
    image = _gradient(width, height, (205, 222, 240), (150, 180, 215))
    draw = ImageDraw.Draw(image)
    draw.rectangle(_box(image, 0.46, 0.72, 0.54, 1.0), fill=(70, 70, 75))
    draw.rounded_rectangle(_box(image, 0.33, 0.1, 0.67, 0.76), radius=width // 16, fill=(32, 34, 36))
    for place, colour in ((0.22, (235, 40, 30)), (0.43, (70, 58, 20)), (0.64, (20, 70, 38))):
        draw.ellipse(_disc(image, 0.5, place, 0.11), fill=colour, outline=(12, 12, 12), width=4)
    return _grained(image.filter(ImageFilter.GaussianBlur(0.8)), 3.0)


def ball_on_grass(width: int, height: int) -> Image.Image:
    """An orange ball with a shadow on rough grass; RGB."""
    image = _grained(_gradient(width, height, (120, 170, 90), (45, 105, 35)), 28.0)
    draw = ImageDraw.Draw(image)
    draw.ellipse(_box(image, 0.36, 0.66, 0.78, 0.82), fill=(28, 62, 22))
    for step in range(24):  # from the dark rim to the light towards the upper left
        shade = step / 23
        colour = (int(170 + 80 * shade), int(80 + 75 * shade), int(10 + 40 * shade))
        draw.ellipse(_disc(image, 0.52 - 0.05 * shade, 0.52 - 0.06 * shade, 0.24 * (1 - 0.9 * shade)), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def shore(width: int, height: int) -> Image.Image:
    """Sky, sun, sea and sand with a sailing boat; RGB."""
    image = _gradient(width, height, (95, 150, 220), (235, 225, 200))
    draw = ImageDraw.Draw(image)
    draw.ellipse(_disc(image, 0.78, 0.2, 0.06), fill=(255, 244, 190))
    draw.rectangle(_box(image, 0, 0.5, 1, 0.8), fill=(40, 95, 140))
    draw.rectangle(_box(image, 0, 0.8, 1, 1), fill=(215, 190, 140))
    hull = [(0.34, 0.6), (0.62, 0.6), (0.57, 0.68), (0.39, 0.68)]
    draw.polygon([(x * width, y * height) for x, y in hull], fill=(120, 40, 30))
    sail = [(0.47, 0.2), (0.47, 0.58), (0.66, 0.58)]
    draw.polygon([(x * width, y * height) for x, y in sail], fill=(248, 246, 240))
    return _grained(image.filter(ImageFilter.GaussianBlur(1.0)), 6.0)


def _gradient(width: int, height: int, top: tuple[int, ...], bottom: tuple[int, ...]) -> Image.Image:
    rows = np.linspace(0, 1, height)[:, None, None]
    column = np.asarray(top) * (1 - rows) + np.asarray(bottom) * rows
    return _image(np.broadcast_to(column, (height, width, 3)))


def _grained(image: Image.Image, strength: float) -> Image.Image:
    """The picture with grey noise of a standard deviation of `strength` on it."""
    pixels = np.asarray(image, dtype=np.float64)
    noise = np.random.default_rng(_SEED).normal(0, strength, pixels.shape[:2])
    return _image(pixels + noise[..., None])


def _image(pixels: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _box(image: Image.Image, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    return left * image.width, top * image.height, right * image.width, bottom * image.height


def _disc(image: Image.Image, x: float, y: float, radius: float) -> tuple[float, ...]:
    """The square around a disc; the radius is a fraction of the width."""
    reach = radius * image.width
    return x * image.width - reach, y * image.height - reach, x * image.width + reach, y * image.height + reach
