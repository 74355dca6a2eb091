"""Published weights get their temperature from labelled photos, and figures from photos that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from models.postprocess import Belief, Label, Labels
from tests.training.export.test_image import CLASSES, Tiny, model
from training.calibration import fit_temperature
from training.cross_validation import Fit, Worth
from training.data.labelled import Labelled
from training.export.calibrate import as_published, calibrated, group_numbers
from training.export.image_model import ImageModel
from training.export.parity import random_pixels


@dataclass(frozen=True)
class Noise:
    """Pictures of noise, of which a model that takes them for `said` is right about two of three."""

    count: int
    said: NDArray[np.int64]
    name: str = "noise"

    def __len__(self) -> int:
        return self.count

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """Of each picture."""
        return np.asarray((self.said + (np.arange(self.count) % 3 == 0)) % CLASSES, np.int64)

    def batches(self, spec: ImagePreprocessing, size: int = 8) -> Iterator[Labelled]:
        """All of them."""
        pixels = random_pixels(spec.crop_px, self.count)
        for start in range(0, self.count, size):
            yield pixels[start : start + size], self.class_ids[start : start + size]


def sure_model() -> ImageModel:
    """Its logits are so far apart that dividing them helps."""
    torch.manual_seed(1)
    network = Tiny()
    network.last.weight.data *= 40
    return model(network)


def noise(count: int) -> Noise:
    """For that model."""
    return Noise(count, sure_model().classifier().logits(random_pixels(32, count)).argmax(1))


def test_the_temperature_is_that_of_all_photos_and_the_data_are_told() -> None:
    photos, sure = noise(60), sure_model()
    found = calibrated(replace(sure, data_note="not to be trusted"), photos).calibration
    assert found is not None
    logits = sure.classifier().logits(random_pixels(32, 60))
    assert found.temperature == pytest.approx(fit_temperature(logits, photos.class_ids), rel=1e-3, abs=1e-4)
    assert "60 photos of noise, not to be trusted" in found.data
    assert "440 pictures of nothing that it knows" in found.data
    assert "not fitted on, in 5 folds" in found.data
    assert None not in {found.nll, found.nll_before, found.ece_before, found.strange_share}


def test_on_too_few_photos_no_calibration_is_made_and_it_is_said() -> None:
    found = calibrated(sure_model(), noise(49))
    assert found.calibration is None
    assert found.reason == "49 photos of noise are too few to calibrate on: at least 50 are needed"


def test_figures_are_rounded_and_absent_ones_stay_absent() -> None:
    found = as_published(Fit(0.123456, Belief(0.98761)), Worth(0.1, 0.2, 1.23456, 1.0, 0.0, None, None), "data")
    assert (found.temperature, found.confident_score, found.nll_before) == (0.1235, 0.9877, 1.2346)
    assert (found.confident_right, found.strange_share, found.confident_peak, found.group_score) == (None,) * 4
    both = as_published(Fit(1.0, Belief(0.5, 3.00001), Belief(0.99999, 2.5)), Worth(*[0.5] * 10), "data")
    assert (both.confident_score, both.confident_peak) == (0.5, 3.0001)
    assert (both.group_score, both.group_peak, both.strange_group_share) == (1.0, 2.5, 0.5)


def test_groups_are_numbered_by_their_names() -> None:
    labels = Labels((Label("tabby", "cat"), Label("rock", None), Label("boxer", "dog"), Label("Persian", "cat")))
    numbers = group_numbers(labels)
    assert numbers is not None
    assert numbers.tolist() == [0, -1, 1, 0]
    assert group_numbers(Labels((Label("rock", None),))) is None
