"""Good files of every format that is read, small ones, to be damaged."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from tests.fuzz.mutations import mutated
from tests.media import RECIPES, film_with_sound, silent_film, sound_file
from tests.pictures import clock, encoded

ROUTES = {"/classify-image": "image/jpeg", "/transcribe": "audio/wav"}
_TIFFS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")


@cache
def seeds(route: str) -> tuple[bytes, ...]:
    """The files for a route."""
    return _pictures() if route == "/classify-image" else _sounds()


def _pictures() -> tuple[bytes, ...]:
    plain = clock().resize((120, 90))
    clear = plain.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(plain.size))
    deep = Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 257)
    more = [plain.rotate(90), plain.rotate(180)]
    return (
        encoded(plain, "JPEG"),
        encoded(plain, "JPEG", progressive=True),
        encoded(plain.convert("CMYK"), "JPEG"),
        encoded(plain.convert("L"), "JPEG", exif=_turned()),
        encoded(plain, "PNG"),
        encoded(clear, "PNG"),
        encoded(deep, "PNG"),
        encoded(plain.quantize(16), "PNG", bits=4, transparency=3),
        encoded(plain, "PNG", save_all=True, append_images=more),
        encoded(plain.convert("1"), "PNG", icc_profile=bytes(3000)),
        encoded(plain, "GIF", save_all=True, append_images=more),
        encoded(clear, "WEBP", lossless=True),
        encoded(plain, "WEBP", save_all=True, append_images=more),
        encoded(plain, "AVIF"),
        encoded(plain, "BMP"),
        encoded(plain.quantize(16), "BMP"),
        *(encoded(plain, "TIFF", compression=each) for each in _TIFFS),
        encoded(plain.convert("1"), "TIFF", compression="group4"),
        encoded(deep, "TIFF"),
    )


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _sounds() -> tuple[bytes, ...]:
    films = (silent_film("mp4"), film_with_sound("mp4"), film_with_sound("matroska"))
    return (*(sound_file(each, 0.3) for each in RECIPES.values()), *films)


def case(route: str, seed: int, number: int) -> bytes:
    """The damaged file of that number."""
    rng = np.random.default_rng([seed, number])
    files = seeds(route)
    return mutated(files[number % len(files)], rng, files)
