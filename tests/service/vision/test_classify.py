"""A lane's work: every file gets its own outcome, in order."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.postprocess import Label, Labels
from service.admission import Job
from service.errors import UnsupportedMedia
from service.runner import Arrays, FunctionRunner
from service.vision.classify import Classified, Classifier, predictions
from service.vision.decode import PictureDecoder
from tests.artifacts import SPEC, picture


def brightness(feeds: Arrays) -> dict[str, np.ndarray]:
    bright = feeds["image"].mean((1, 2, 3)) / 255
    return {"probabilities": np.stack([1 - bright, bright], axis=1).astype(np.float32)}


CLASSIFIER = Classifier(FunctionRunner(brightness), SPEC, PictureDecoder(10_000), time.monotonic)


@given(st.lists(st.integers(0, 255) | st.none(), max_size=9))
def test_a_file_in_a_batch_equals_the_same_file_alone(levels: list[int | None]) -> None:
    jobs = [Job[bytes, Classified](b"no picture" if level is None else picture(level), 0.0, 1.0) for level in levels]
    outcomes = CLASSIFIER.run(jobs)
    good = sum(level is not None for level in levels)
    for level, outcome in zip(levels, outcomes, strict=True):
        if level is None:
            assert isinstance(outcome, UnsupportedMedia)
        else:
            assert isinstance(outcome, Classified)
            assert outcome.probabilities[1] == pytest.approx(level / 255, abs=1e-5)
            assert outcome.batch_size == good


def test_predictions_have_names_and_groups() -> None:
    classified = Classified(np.array([0.1, 0.7, 0.2], np.float32), 1, 1, "PNG", 0, 0, 1)
    labels = Labels((Label("a", None), Label("b", "g"), Label("c", None)))
    best = predictions(classified, labels, 2, 0.15)
    assert [(each.class_id, each.label, each.group) for each in best] == [(1, "b", "g"), (2, "c", None)]
