"""What a classifier confuses: confusion matrix, and precision, recall and F1 of each class, by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassFigures:
    """One class: how much of what is called it is it, how much of it is found, the harmonic mean, its number."""

    label: str
    precision: float
    recall: float
    f1: float
    count: int


def confusion(class_ids: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts `[classes, classes]`: rows are true classes, columns what they were taken for."""
    from sklearn.metrics import confusion_matrix  # noqa: PLC0415 - takes seconds, and few commands need it

    return np.asarray(confusion_matrix(class_ids, predicted, labels=np.arange(classes)), np.int64)


def by_class(
    class_ids: NDArray[np.int64], predicted: NDArray[np.int64], labels: tuple[str, ...]
) -> tuple[ClassFigures, ...]:
    """Figures of each class; 0 where nothing was called it."""
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415 - as above

    precision, recall, f1, counts = precision_recall_fscore_support(
        class_ids, predicted, labels=np.arange(len(labels)), zero_division=0
    )
    return tuple(
        ClassFigures(label, float(precision[i]), float(recall[i]), float(f1[i]), int(counts[i]))
        for i, label in enumerate(labels)
    )
