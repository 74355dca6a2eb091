"""The picture that tests send: a wall clock, drawn for this project, in every form in which people send pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

CLOCK = Path(__file__).parent.parent / "docs" / "examples" / "clock.jpg"
WALL_CLOCK = 892


def clock() -> Image.Image:
    """The plain picture, decoded."""
    with Image.open(CLOCK) as image:
        return image.convert("RGB")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise for viewing
    return encoded(clock().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=92)


def _grey16() -> bytes:
    return encoded(Image.fromarray(np.asarray(clock().convert("L")).astype(np.uint16) * 257), "PNG")


def _alpha() -> bytes:
    image = clock().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size).point(lambda value: 200 + value // 5))
    return encoded(image, "PNG")


def _animated(kind: str) -> bytes:
    noise = Image.effect_noise(clock().size, 90).convert("RGB")
    return encoded(clock(), kind, save_all=True, append_images=[noise, noise], duration=100)


def unusual() -> dict[str, bytes]:
    """The plain picture in unusual but good files, by what is unusual."""
    plain = clock()
    return {
        "plain": CLOCK.read_bytes(),
        "progressive": encoded(plain, "JPEG", progressive=True, quality=92),
        "CMYK": encoded(plain.convert("CMYK"), "JPEG", quality=92),
        "16-bit": _grey16(),
        "palette": encoded(plain.quantize(128), "PNG"),
        "grey": encoded(plain.convert("L"), "JPEG", quality=92),
        "alpha": _alpha(),
        "EXIF-rotated": _rotated(),
        "animated GIF": _animated("GIF"),
        "animated WebP": _animated("WEBP"),
        "WebP": encoded(plain, "WEBP", quality=90),
        "AVIF": encoded(plain, "AVIF", quality=85),
        "TIFF": encoded(plain, "TIFF", compression="tiff_lzw"),
        "turned TIFF": encoded(plain.transpose(Image.Transpose.ROTATE_90), "TIFF", tiffinfo={274: 6}),
        "PNG with a large profile": encoded(plain, "PNG", icc_profile=bytes(3 << 20)),
        "BMP": encoded(plain, "BMP"),
        "trailing bytes": CLOCK.read_bytes() + b"\0 and more" * 1000,
    }
