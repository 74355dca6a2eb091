"""A smaller variant may lose one picture, no more."""

from __future__ import annotations

import pytest

from training.evaluate import Accuracy
from training.export.gate import judge


@pytest.mark.parametrize(("candidate", "is_passed"), [(112, True), (111, True), (110, False), (120, True)])
def test_the_gate(candidate: int, is_passed: bool) -> None:
    gate = judge(Accuracy(125, 112, 124), Accuracy(125, candidate, 124), "photos")
    assert gate.is_passed is is_passed
    assert (gate.reference, gate.candidate) == (112 / 125, candidate / 125)
