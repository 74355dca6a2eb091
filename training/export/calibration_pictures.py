"""Pictures to measure int8 ranges on, made by this program, so that any clone measures the same without any data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from training.export.drawings import golden_media
from training.export.golden import inputs

DESCRIPTION = "pictures drawn by the exporter"


def calibration_pictures(crop_px: int) -> Iterator[NDArray[np.uint8]]:
    """Batches of uint8 `[N, crop_px, crop_px, 3]`."""
    yield inputs(golden_media(), ImagePreprocessing(resize_px=crop_px, crop_px=crop_px))
