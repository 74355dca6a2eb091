"""From an artifact to a checked, warm model: manifest, sha256, golden replay, engine.

A model is served only if, on this machine, it gives the outputs that its exporter measured. int8 kernels differ
between processors: where the fast ones are wrong, exact ones are tried, and with the variant left to us, int8 that
misses its tolerance with both is passed over and fp32 is served. The replay at batch 1 is also the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from models.postprocess import Labels
from models.store import Artifact, ArtifactNotFoundError, Store, StoreError
from service.admission import Clock
from service.engine import Engine
from service.errors import ArtifactRefused, RequestError
from service.golden import Golden, GoldenMismatch, check_golden
from service.onnx_runner import Kernels, OnnxRunner, Placement, int8_kernels
from service.plan import Plan, plan_images, plan_speech, usable_processors
from service.roster import ServedModel
from service.runner import Runner
from service.settings import Settings
from service.speech.decode import AudioLimits
from service.speech.model import SpeechModel
from service.speech.opening import VOICE, SpeechOpener, open_voice
from service.vision.classify import Classifier, ImageModel
from service.vision.decode import PictureDecoder

# JPEG decoders of different builds differ by a level or two; a wrong resize or channel order by dozens.
_MEDIA_MEAN_DIFF = 2.0


@dataclass(frozen=True)
class Candidate:
    """One way to serve an artifact."""

    variant: str
    kernels: Kernels
    """Of int8; a graph of floats has none to choose."""


class Loader:
    """Loads the artifacts of one store onto one placement."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        placement: Placement,
        clock: Clock,
        kernels: Sequence[Kernels] | None = None,
    ) -> None:
        """Load from `store` onto `placement`; `kernels` are tried for int8 in this order, by default those that are
        right on this processor."""
        self._store = store
        self._settings = settings
        self._placement = placement
        self._clock = clock
        self._kernels = tuple(kernels or int8_kernels())
        self._processors = usable_processors()
        self._voices: WeakValueDictionary[str, Runner] = WeakValueDictionary()
        self._speech_placement = Placement("cpu", placement.requested, "speech graphs run on the CPU")

    def load(self, reference: str) -> ServedModel:
        """The model that `name` or `name@version` refers to, verified and warm; its lanes are not started yet.

        Raises:
            ArtifactRefused: naming the artifact and the reason.
        """
        try:
            artifact = self._store.find(reference)
        except StoreError as error:
            raise _refused(error) from error
        task = artifact.manifest.task
        if task == "image-classification":
            return self._first_that_replays(artifact, self._open_image)
        if task == "speech-recognition":
            return self._first_that_replays(artifact, self._open_speech)
        raise ArtifactRefused(f"{artifact.id}: a model for {task} is not served by itself")

    def _first_that_replays(
        self, artifact: Artifact, open_candidate: Callable[[Artifact, Candidate, tuple[str, ...]], ServedModel]
    ) -> ServedModel:
        notes: tuple[str, ...] = self._fallback_note()
        candidates = self._candidates(artifact.manifest)
        for candidate in candidates:
            try:
                artifact.verify(candidate.variant)
                return open_candidate(artifact, candidate, (*notes, *self._kernels_note(candidate)))
            except StoreError as error:
                raise _refused(error) from error
            except GoldenMismatch as error:
                if candidate == candidates[-1]:
                    raise
                notes = (*notes, error.detail)
        raise ArtifactRefused(
            f"{artifact.id}: it has no variant {self._settings.variant}, only {', '.join(artifact.manifest.variants)}"
        )

    def _fallback_note(self) -> tuple[str, ...]:
        is_fallback = self._placement.requested == "auto" and self._placement.provider == "cpu"
        return (self._placement.reason,) if is_fallback else ()

    def _kernels_note(self, candidate: Candidate) -> tuple[str, ...]:
        if candidate.kernels == "fast":
            return ()
        why = "miss the golden vectors" if "fast" in self._kernels else "saturate on this processor"
        return (f"int8 runs with exact kernels, since the fast ones {why}",)

    def _candidates(self, manifest: Manifest) -> list[Candidate]:
        """What to try, best first; on a GPU int8 with its quantize and dequantize nodes gains nothing."""
        wanted = self._settings.variant
        order = ["fp32", "int8"] if self._placement.provider == "cuda" else ["int8", "fp32"]
        return [
            Candidate(name, kernels)
            for name in order
            if name in manifest.variants and wanted in ("auto", name)
            for kernels in (self._kernels if name == "int8" else ("fast",))
        ]

    def _open_image(self, artifact: Artifact, candidate: Candidate, notes: tuple[str, ...]) -> ServedModel:
        manifest, variant = artifact.manifest, candidate.variant
        settings, provider = self._settings, self._placement.provider
        plan = plan_images(self._processors, provider, settings.lanes, settings.threads)
        graph = artifact.path(manifest.variants[variant].files["model"])
        runner = OnnxRunner(graph, self._placement, plan.threads, candidate.kernels)
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

    def _open_speech(self, artifact: Artifact, candidate: Candidate, notes: tuple[str, ...]) -> ServedModel:
        manifest, settings = artifact.manifest, self._settings
        plan = plan_speech(self._processors, settings.lanes, settings.threads)
        opener = SpeechOpener(
            voice=self._voice_detector(),
            placement=self._speech_placement,
            threads=plan.threads,
            kernels=candidate.kernels,
            limits=AudioLimits(settings.max_audio_s),
            timeout_per_audio_s=settings.timeout_per_audio_s,
            clock=self._clock,
        )
        opened = opener.open(artifact, candidate.variant)
        if self._placement.provider != self._speech_placement.provider:
            notes = (*notes, self._speech_placement.reason)
        return SpeechModel(
            manifest,
            candidate.variant,
            self._speech_placement.provider,
            plan,
            notes,
            self._engine(manifest.name, opened.transcriber.run, plan),
            transcriber=opened.transcriber,
            languages=opened.languages,
            tasks=opened.tasks,
            is_generative=opened.is_generative,
            beam_size=opened.beam_size,
        )

    def _voice_detector(self) -> Runner:
        """The newest one, shared by the speech models that were loaded with it and released with the last of them."""
        try:
            artifact = self._store.find(VOICE)
            voice = self._voices.get(artifact.id)
            if voice is not None:
                return voice
            artifact.verify()
        except StoreError as error:
            raise _refused(error) from error
        voice = self._voices[artifact.id] = open_voice(artifact, self._speech_placement)
        return voice

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
    expected_outputs = golden.of(artifact.id, variant)
    for index, data in enumerate(golden.media):
        _replay_decoding(f"{artifact.id}: golden picture {index}", data, golden.inputs[index], classifier)
    for pixels, expected in zip(golden.inputs, expected_outputs, strict=True):
        check_golden(artifact.id, variant, entry, classifier.probabilities(pixels[None])[0], expected)
    return int(expected_outputs.shape[1])


def _replay_decoding(name: str, data: bytes, expected: NDArray[np.uint8], classifier: Classifier) -> None:
    try:
        pixels = classifier.pixels(data)
    except RequestError as error:
        raise ArtifactRefused(f"{name} cannot be decoded on this machine: {error.detail}") from error
    if not float(np.abs(pixels.astype(np.int16) - expected).mean()) <= _MEDIA_MEAN_DIFF:
        raise ArtifactRefused(f"{name} is decoded differently on this machine")


def _refused(error: StoreError) -> ArtifactRefused:
    """What the store said, which names the artifact, as an error of the service."""
    is_missing = isinstance(error, ArtifactNotFoundError)
    return ArtifactRefused(f"{error}; {remedy(find_spec('training') is not None)}" if is_missing else str(error))


def remedy(can_export: bool) -> str:
    """How to get a model that the store lacks; images have not the half that exports."""
    if can_export:
        return "export it with `python -m training export`"
    return "the exporter image makes it, as in `docker compose up exporter`"
