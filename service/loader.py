"""From an artifact to a checked, warm model: manifest, sha256, golden replay, engine.

A model is served only if, on this machine, it gives the outputs that its exporter measured. int8 kernels differ
between processors: with the variant left to us, one that misses its tolerance is passed over and fp32 is served.
The replay at batch 1 is also the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest, Variant
from models.postprocess import Labels
from models.store import Artifact, Store, StoreError
from service.admission import Clock
from service.engine import Engine
from service.errors import ArtifactRefused, RequestError
from service.onnx_runner import OnnxRunner, Placement
from service.plan import Plan, plan_images, usable_processors
from service.registry import ServedModel, refuse
from service.settings import Settings
from service.vision.classify import Classifier, ImageModel
from service.vision.decode import PictureDecoder

# JPEG decoders of different builds differ by a level or two; a wrong resize or channel order by dozens.
_MEDIA_MEAN_DIFF = 2.0


class GoldenMismatch(ArtifactRefused):
    """A variant's outputs on this machine are not those that were published with it."""


@dataclass(frozen=True)
class Golden:
    """`golden.npz`: encoded files `media_<i>`, `input` `[n, …]` and `output.<variant>` `[n, …]`."""

    media: tuple[bytes, ...]
    inputs: NDArray[Any]
    outputs: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path) -> Golden:
        """Read the file; data only, nothing in it is executed."""
        with np.load(path, allow_pickle=False) as archive:
            count = sum(key.startswith("media_") for key in archive.files)
            media = tuple(archive[f"media_{index}"].tobytes() for index in range(count))
            outputs = {
                key.removeprefix("output."): archive[key] for key in archive.files if key.startswith("output.")
            }
            return cls(media, archive["input"], outputs)


class Loader:
    """Loads the artifacts of one store onto one placement."""

    def __init__(self, store: Store, settings: Settings, placement: Placement, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._placement = placement
        self._clock = clock
        self._processors = usable_processors()

    def load(self, reference: str) -> ServedModel:
        """The model that `name` or `name@version` refers to, verified and warm; its lanes are not started yet.

        Raises:
            ArtifactRefused: naming the artifact and the reason.
        """
        try:
            artifact = self._store.find(reference)
        except StoreError as error:
            raise refuse(reference, error) from error
        task = artifact.manifest.task
        if task == "image-classification":
            return self._first_that_replays(artifact, self._open_image)
        raise ArtifactRefused(f"{artifact.id}: a model for {task} is not served by itself")

    def _first_that_replays(
        self, artifact: Artifact, open_variant: Callable[[Artifact, str, tuple[str, ...]], ServedModel]
    ) -> ServedModel:
        notes: tuple[str, ...] = self._fallback_note()
        candidates = self._candidates(artifact.manifest)
        for variant in candidates:
            try:
                artifact.verify(variant)
                return open_variant(artifact, variant, notes)
            except StoreError as error:
                raise refuse(artifact.id, error) from error
            except GoldenMismatch as error:
                if variant == candidates[-1]:
                    raise
                notes = (*notes, error.detail)
        raise ArtifactRefused(
            f"{artifact.id}: it has no variant {self._settings.variant}, only {', '.join(artifact.manifest.variants)}"
        )

    def _fallback_note(self) -> tuple[str, ...]:
        is_fallback = self._placement.requested == "auto" and self._placement.provider == "cpu"
        return (self._placement.reason,) if is_fallback else ()

    def _candidates(self, manifest: Manifest) -> list[str]:
        """Variants to try, best first; on a GPU int8 with its quantize and dequantize nodes gains nothing."""
        wanted = self._settings.variant
        order = ["fp32", "int8"] if self._placement.provider == "cuda" else ["int8", "fp32"]
        return [name for name in order if name in manifest.variants and wanted in ("auto", name)]

    def _open_image(self, artifact: Artifact, variant: str, notes: tuple[str, ...]) -> ServedModel:
        manifest = artifact.manifest
        settings, provider = self._settings, self._placement.provider
        plan = plan_images(self._processors, provider, settings.lanes, settings.threads)
        runner = OnnxRunner(artifact.path(manifest.variants[variant].files["model"]), self._placement, plan.threads)
        if manifest.preprocessing.kind != "image" or manifest.labels is None:
            raise ArtifactRefused(f"{artifact.id}: an image model needs image preprocessing and labels")
        decoder = PictureDecoder(settings.max_image_pixels)
        classifier = Classifier(runner, manifest.preprocessing, decoder, self._clock)
        classes = _replay_image(artifact, variant, classifier)
        labels = Labels.read(artifact.path(manifest.labels))
        if len(labels.classes) != classes:
            raise ArtifactRefused(f"{artifact.id}: it has {len(labels.classes)} labels for {classes} classes")
        engine = self._engine(manifest.name, classifier.run, plan)
        return ImageModel(manifest, variant, runner.provider, plan, notes, engine, labels)

    def _engine(self, name: str, run: Any, plan: Plan) -> Engine[Any, Any]:
        return Engine(
            name,
            run,
            capacity=self._settings.queue_length,
            lanes=plan.lanes,
            max_batch=plan.max_batch,
            clock=self._clock,
        )


def _replay_image(artifact: Artifact, variant: str, classifier: Classifier) -> int:
    """Replay the golden files and vectors; gives the number of classes."""
    golden = Golden.read(artifact.path(artifact.manifest.golden))
    entry = artifact.manifest.variants[variant]
    if len(golden.outputs.get(variant, ())) == 0:
        raise GoldenMismatch(f"{artifact.id}: no golden outputs for {variant}")
    for index, data in enumerate(golden.media):
        _replay_decoding(f"{artifact.id}: golden picture {index}", data, golden.inputs[index], classifier)
    for pixels, expected in zip(golden.inputs, golden.outputs[variant], strict=True):
        check_golden(artifact.id, variant, entry, classifier.probabilities(pixels[None])[0], expected)
    return int(golden.outputs[variant].shape[1])


def _replay_decoding(name: str, data: bytes, expected: NDArray[np.uint8], classifier: Classifier) -> None:
    try:
        pixels = classifier.pixels(data)
    except RequestError as error:
        raise ArtifactRefused(f"{name} cannot be decoded on this machine: {error.detail}") from error
    if not float(np.abs(pixels.astype(np.int16) - expected).mean()) <= _MEDIA_MEAN_DIFF:
        raise ArtifactRefused(f"{name} is decoded differently on this machine")


def check_golden(artifact_id: str, variant: str, entry: Variant, got: NDArray[Any], expected: NDArray[Any]) -> None:
    """Compare one output with its golden vector.

    Raises:
        GoldenMismatch: they differ by more than the variant's tolerance (or are not numbers).
    """
    difference = float(np.abs(got - expected).max()) if got.shape == expected.shape else float("inf")
    if not difference <= entry.golden_tolerance:
        raise GoldenMismatch(
            f"{artifact_id}: {variant} differs from its golden vectors by {difference:.2g} on this processor "
            f"(tolerance {entry.golden_tolerance:.2g})"
        )
