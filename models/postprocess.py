"""From a graph's probabilities to what a person reads: the best classes, everyday groups, what to believe of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-37  # what a float32 that ran out of digits is taken for
_NO_SPREAD = 1e-9  # rounding


@dataclass(frozen=True)
class Label:
    """One class: its name and the everyday group it belongs to, if any."""

    label: str
    group: str | None


@dataclass(frozen=True)
class Labels:
    """A model's classes, by class id."""

    classes: tuple[Label, ...]

    @classmethod
    def read(cls, path: Path) -> Labels:
        """Read `labels.json`: a list of `{"label": …, "group": … | null}` in the order of the class ids."""
        return cls(tuple(Label(item["label"], item["group"]) for item in json.loads(path.read_text("utf-8"))))

    def write(self, path: Path) -> None:
        """Write what `read` reads."""
        rows = [{"label": each.label, "group": each.group} for each in self.classes]
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    def group_scores(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        """Sum of the probabilities `[classes]` of each group's classes, highest first."""
        sums: dict[str, float] = {}
        for each, probability in zip(self.classes, probabilities.tolist(), strict=True):
            if each.group is not None:
                sums[each.group] = sums.get(each.group, 0.0) + probability
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


def top_k(probabilities: NDArray[np.float32], k: int, min_score: float = 0.0) -> list[tuple[int, float]]:
    """The `k` most probable class ids of `[classes]` with their scores, highest first; ties go to the lower id."""
    order = np.argsort(-probabilities, kind="stable")[:k].tolist()
    scored = [(i, float(probabilities[i])) for i in order]
    return [(i, score) for i, score in scored if score >= min_score]


def peak(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """By how many standard deviations the best class's logarithm stands above the mean of all, of `[…, classes]`.

    Inputs unlike the training data leave many classes half likely, even where one of them wins clearly. A temperature
    does not change it. 0 where all classes are equal.
    """
    logarithms = np.log(np.maximum(np.asarray(probabilities, np.float64), _LEAST))
    spread = logarithms.std(axis=-1)
    above = logarithms.max(axis=-1) - logarithms.mean(axis=-1)
    return np.asarray(np.divide(above, spread, out=np.zeros_like(above), where=spread > _NO_SPREAD))


@dataclass(frozen=True)
class Belief:
    """What an answer must reach to be believed: a score, and where there is one, a peak of all scores."""

    score: float
    peak: float | None = None

    def holds(self, score: float, peak_of_all: float) -> bool:
        """Whether an answer of this score is to be believed."""
        return score >= self.score and (self.peak is None or peak_of_all >= self.peak)
