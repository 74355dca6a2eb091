"""From a graph's probabilities to what a person reads: the best classes and everyday groups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
