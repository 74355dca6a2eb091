"""Published weights get their temperature from labelled photos, and figures from photos that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from tests.training.export.test_image import CLASSES, model
from training.calibration import fit_temperature
from training.cross_validation import Fit, Worth
from training.data.labelled import Labelled
from training.errors import DataError
from training.export.calibrate import as_published, calibrated
from training.export.parity import random_pixels


@dataclass(frozen=True)
class Noise:
    """Pictures of noise with classes drawn at random."""

    count: int
    name: str = "noise"

    def __len__(self) -> int:
        return self.count

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """Of each picture."""
        return np.random.default_rng(1).integers(0, CLASSES, self.count)

    def batches(self, spec: ImagePreprocessing, size: int = 8) -> Iterator[Labelled]:
        """All of them."""
        pixels = random_pixels(spec.crop_px, self.count)
        for start in range(0, self.count, size):
            yield pixels[start : start + size], self.class_ids[start : start + size]


def test_the_temperature_is_that_of_all_photos_and_the_data_are_told() -> None:
    photos = Noise(30)
    found = calibrated(replace(model(), data_note="not to be trusted"), photos)
    logits = model().classifier().logits(random_pixels(32, 30))
    assert found.temperature == pytest.approx(fit_temperature(logits, photos.class_ids), rel=1e-3, abs=1e-4)
    assert "30 photos of noise, not to be trusted" in found.data
    assert "128 pictures that show nothing" in found.data
    assert "not fitted on, in 5 folds" in found.data
    assert None not in {found.nll, found.nll_before, found.ece_before, found.strange_share}


def test_too_few_photos_are_refused() -> None:
    with pytest.raises(DataError, match="noise holds 19 photos: a temperature needs at least 20"):
        calibrated(model(), Noise(19))


def test_figures_are_rounded_and_absent_ones_stay_absent() -> None:
    found = as_published(Fit(0.123456, 0.98761), Worth(0.1, 0.2, 1.23456, 1.0, 0.0, None, None), "data")
    assert (found.temperature, found.confident_score, found.nll_before) == (0.1235, 0.9877, 1.2346)
    assert (found.confident_right, found.strange_share) == (None, None)
