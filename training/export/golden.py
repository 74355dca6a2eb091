"""Golden vectors: raw files, the graph's input, and the outputs that every later replay must come close to.

`golden.npz` of an image artifact holds `media_0`, `media_1`, … (the bytes of encoded files, uint8 `[bytes]`), `input`
(uint8 `[pictures, crop, crop, 3]`: what preprocessing makes of them) and `output.<variant>` (float32 `[pictures,
classes]`). The file repeats byte for byte.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.image_files.opened import open_image
from models.manifest import ImagePreprocessing

FILE = "golden.npz"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def inputs(media: list[bytes], spec: ImagePreprocessing) -> NDArray[np.uint8]:
    """Encoded pictures as the graph takes them, uint8 `[pictures, crop, crop, 3]`."""
    return np.stack([_pixels(each, spec) for each in media])


def _pixels(media: bytes, spec: ImagePreprocessing) -> NDArray[np.uint8]:
    with open_image(io.BytesIO(media)) as image:
        return image.square(spec).pixels


def media_arrays(media: list[bytes]) -> dict[str, NDArray[np.uint8]]:
    """Encoded files as the arrays `media_0`, `media_1`, …"""
    return {f"media_{i}": np.frombuffer(each, dtype=np.uint8) for i, each in enumerate(media)}


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an `.npz` that is the same for the same arrays (numpy's own writer puts the time of day into it)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _FIXED_DATE), buffer.getvalue())
