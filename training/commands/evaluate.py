"""`evaluate image` and `evaluate speech`: how often is a published model right on labelled data?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from models.store import Artifact, Store
from training.commands.outcome import Outcome
from training.data.photos import read_photos
from training.errors import UsageError
from training.evaluate import evaluate_image
from training.evaluate_speech import SpeechReport, Transcribe, evaluate_speech, read_clips
from training.transcribers import Server, Wishes, offline

_IMAGE_MODEL, _SPEECH_MODEL = "efficientnet-lite0", "whisper-base"
_IMAGE_VARIANT = "fp32"
_PREFERRED = ("int8", "fp32")


@dataclass(frozen=True)
class Evaluation:
    """What is measured, and on what; None means the kind's default."""

    store: Store
    data: Path
    model: str | None = None
    variant: str | None = None
    wishes: Wishes = field(default_factory=Wishes)
    url: str | None = None
    """A running service to ask, in place of the artifact in the store."""


def evaluate_images(asked: Evaluation) -> Outcome:
    """Top-1 and top-5 of a published classifier on a folder of labelled photos.

    Raises:
        UsageError: options that only speech has, or a model that is no classifier.
        DataError: the photos cannot be read.
        StoreError: there is no such artifact.
    """
    if asked.url is not None or asked.wishes != Wishes():
        raise UsageError("--url, --prompt, --beam-size and --detect are for `evaluate speech`")
    artifact, variant = asked.store.find(asked.model or _IMAGE_MODEL), asked.variant or _IMAGE_VARIANT
    found = evaluate_image(artifact, variant, read_photos(asked.data))
    fields = {
        "name": artifact.manifest.name,
        "version": artifact.manifest.version,
        "variant": variant,
        "count": found.count,
        "top1": found.top1,
        "top5": found.top5,
        "top1_count": found.top1_count,
        "top5_count": found.top5_count,
    }
    line = (
        f"{artifact.id} {variant}: top-1 {found.top1:.3f} ({found.top1_count} of {found.count}), "
        f"top-5 {found.top5:.3f} ({found.top5_count} of {found.count})"
    )
    return Outcome((line,), fields)


def evaluate_recordings(asked: Evaluation) -> Outcome:
    """WER or CER by set, with intervals and the worst clips, of a published recogniser or of a running service.

    Raises:
        DataError: there is no evaluation set, or a clip of a manifest is missing.
        StoreError: there is no such artifact.
        TranscriptionError: a recording could not be transcribed.
    """
    clips = len(read_clips(asked.data))
    if asked.url is not None:
        server = Server(asked.url, asked.wishes, asked.model or "")
        found = _scored(asked.data, server.transcribe, clips)
        return _recordings_outcome(found, f"the service at {asked.url}", {"url": asked.url, "name": asked.model})
    artifact = asked.store.find(asked.model or _SPEECH_MODEL)
    variant = asked.variant or next((each for each in _PREFERRED if each in artifact.manifest.variants), "auto")
    with _transcriber(asked, artifact, variant) as transcribe:
        found = _scored(asked.data, transcribe, clips)
    manifest = artifact.manifest
    fields = {"name": manifest.name, "version": manifest.version, "variant": variant}
    return _recordings_outcome(found, f"{artifact.id} {variant}", fields)


@contextmanager
def _transcriber(asked: Evaluation, artifact: Artifact, variant: str) -> Iterator[Transcribe]:
    if variant != "auto" and variant not in artifact.manifest.variants:
        raise UsageError(f"{artifact.id} has no variant {variant}, only {', '.join(artifact.manifest.variants)}")
    with offline(asked.store.root, artifact.id, variant, asked.wishes) as transcribe:
        yield transcribe


def _scored(data: Path, transcribe: Transcribe, clips: int) -> SpeechReport:
    with tqdm(total=clips, unit="clip", leave=False, disable=None) as bar:
        return evaluate_speech(data, transcribe, lambda _: bar.update())


def _recordings_outcome(found: SpeechReport, who: str, fields: Mapping[str, str | None]) -> Outcome:
    return Outcome((f"{who}:", *found.lines()), {**fields, **found.as_json()})


EVALUATIONS: dict[str, Callable[[Evaluation], Outcome]] = {"image": evaluate_images, "speech": evaluate_recordings}
"""By kind: what measures it."""
