"""From an image file to classes: what a lane does for /classify-image.

Decode and run happen in one lane thread, the faster way on a CPU. It does not know the web or the queue's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.manifest import ImagePreprocessing
from models.postprocess import Labels, top_k
from service.admission import Clock, Job
from service.roster import ServedModel
from service.runner import Runner
from service.vision.decode import Picture, PictureDecoder

INPUT, OUTPUT = "image", "probabilities"
T = TypeVar("T")


@dataclass(frozen=True)
class Prediction:
    """One class with its probability."""

    class_id: int
    label: str
    group: str | None
    score: float


@dataclass(frozen=True)
class Classified:
    """What was seen in one picture; `probabilities` is float32 `[classes]`, times in seconds."""

    probabilities: NDArray[np.float32]
    width: int
    height: int
    format: str
    decode_s: float
    inference_s: float
    batch_size: int


class Classifier:
    """Decodes image files and runs the graph on them."""

    def __init__(self, runner: Runner, spec: ImagePreprocessing, decoder: PictureDecoder, clock: Clock) -> None:
        self._runner = runner
        self._spec = spec
        self._decoder = decoder
        self._clock = clock

    def run(self, jobs: Sequence[Job[bytes, Classified]]) -> Sequence[Classified | Exception]:
        """An outcome for each job, in order; a file that cannot be decoded fails alone."""
        decoded = [self._timed(partial(self._decode, job.input)) for job in jobs]
        pictures = [picture for picture, _ in decoded if isinstance(picture, Picture)]
        if not pictures:
            return [outcome for outcome, _ in decoded if isinstance(outcome, Exception)]
        rows, inference_s = self._timed(partial(self.probabilities, np.stack([each.pixels for each in pictures])))
        left = iter(rows)
        return [
            Classified(next(left), got.width, got.height, got.format, decode_s, inference_s, len(pictures))
            if isinstance(got, Picture)
            else got
            for got, decode_s in decoded
        ]

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the graph: uint8 `[N, H, W, 3]` to float32 `[N, classes]`."""
        output: NDArray[np.float32] = self._runner.run({INPUT: pixels})[OUTPUT]
        return output

    def pixels(self, data: bytes) -> NDArray[np.uint8]:
        """The graph's input for an image file, uint8 `[H, W, 3]`."""
        return self._decoder.decode(data, self._spec).pixels

    def _decode(self, data: bytes) -> Picture | Exception:
        try:
            return self._decoder.decode(data, self._spec)
        except Exception as error:  # this file's trouble, not its neighbours'
            return error

    def _timed(self, work: Callable[[], T]) -> tuple[T, float]:
        begun_at = self._clock()
        return work(), self._clock() - begun_at


def predictions(classified: Classified, labels: Labels, k: int, min_score: float) -> list[Prediction]:
    """The best `k` classes with at least `min_score`, highest first."""
    return [
        Prediction(class_id, labels.classes[class_id].label, labels.classes[class_id].group, score)
        for class_id, score in top_k(classified.probabilities, k, min_score)
    ]


@dataclass(frozen=True)
class ImageModel(ServedModel):
    """A loaded image classifier."""

    labels: Labels
