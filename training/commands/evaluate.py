"""`evaluate image` and `evaluate speech`: how often is a published model right on labelled data?

The data are the evaluation sets of a data folder, or a user's own, in any form that can be trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from models.ctc import Units
from models.postprocess import Labels
from models.store import Artifact, Store
from training.commands.outcome import Outcome
from training.data.labelled import LabelledPictures
from training.data.own_pictures import OwnPictures, read_own_pictures
from training.data.photos import has_photos, read_photos
from training.errors import DataError, UsageError
from training.evaluate import Answers, ask
from training.evaluate_speech import Clip, SpeechReport, Transcribe, has_sets, read_clips, report, score_clip
from training.metrics import ClassFigures
from training.own_clips import read_own_clips
from training.transcribers import Server, UnreadableRecordingError, Wishes, offline

_IMAGE_MODEL, _SPEECH_MODEL = "efficientnet-lite0", "whisper-base"
_IMAGE_VARIANT = "fp32"
_PREFERRED = ("int8", "fp32")
_SHOWN = 20


@dataclass(frozen=True)
class Evaluation:
    """What is measured, and on what; None means the kind's default."""

    store: Store
    data: Path
    cache: Path
    """Where a tar of data is unpacked to."""
    model: str | None = None
    variant: str | None = None
    wishes: Wishes = field(default_factory=Wishes)
    url: str | None = None
    """A running service to ask, in place of the artifact in the store."""
    language: str = ""
    """Of recordings of a user's own of which the data say none."""


def evaluate_images(asked: Evaluation) -> Outcome:
    """Top-1, top-5, calibration and figures by class of a published classifier on labelled pictures.

    Raises:
        UsageError: options that only speech has, a model that is no classifier, or classes that it does not know.
        DataError: there are no pictures.
        StoreError: there is no such artifact.
    """
    if asked.url is not None or asked.language or asked.wishes != Wishes():
        raise UsageError("--url, --language, --prompt, --numbers, --beam-size and --detect are for `evaluate speech`")
    artifact, variant = asked.store.find(asked.model or _IMAGE_MODEL), asked.variant or _IMAGE_VARIANT
    labels = _labels(artifact)
    pictures = _pictures(asked, artifact, labels)
    found = ask(artifact, variant, pictures)
    classes = found.by_class([each.label for each in labels.classes])
    left_out = [str(each) for each in pictures.left_out] if isinstance(pictures, OwnPictures) else []
    accuracy = found.accuracy
    fields = {
        "name": artifact.manifest.name,
        "version": artifact.manifest.version,
        "variant": variant,
        "data": pictures.name,
        "count": accuracy.count,
        "top1": accuracy.top1,
        "top5": accuracy.top5,
        "top1_count": accuracy.top1_count,
        "top5_count": accuracy.top5_count,
        "ece": found.ece,
        "classes": [vars(each) for each in classes],
        "left_out": left_out,
    }
    head = f"{artifact.id} {variant} on {pictures.name}: {_accuracy_text(found)}"
    notes = [f"note: {file} was left out: it cannot be read as a picture" for file in left_out]
    return Outcome((head, *_class_lines(classes), *_shortened(notes)), fields)


def _labels(artifact: Artifact) -> Labels:
    if artifact.manifest.labels is None:
        raise UsageError(f"{artifact.id} is for {artifact.manifest.task}, not for pictures")
    return Labels.read(artifact.path(artifact.manifest.labels))


def _pictures(asked: Evaluation, artifact: Artifact, labels: Labels) -> LabelledPictures:
    data = asked.data
    if not data.exists():
        raise DataError(
            f"there is no {data}: name a folder with eval/images/manifest.tsv, or pictures of yours, in a folder for "
            "each class, a CSV or a tar"
        )
    return read_photos(data) if has_photos(data) else read_own_pictures(data, labels, artifact.id, asked.cache)


def _accuracy_text(found: Answers) -> str:
    accuracy = found.accuracy
    return (
        f"top-1 {accuracy.top1:.3f} ({accuracy.top1_count} of {accuracy.count}), "
        f"top-5 {accuracy.top5:.3f} ({accuracy.top5_count} of {accuracy.count}), "
        f"expected calibration error {found.ece:.3f}"
    )


def _class_lines(classes: Sequence[ClassFigures]) -> list[str]:
    """Every class, or the worst of many."""
    shown = sorted(classes, key=lambda each: (each.f1, each.label))[:_SHOWN] if len(classes) > _SHOWN else classes
    width = max(len(each.label) for each in shown)
    lines = [
        f"  {each.label:{width}}  precision {each.precision:.3f}  recall {each.recall:.3f}  F1 {each.f1:.3f}  "
        f"({each.count})"
        for each in shown
    ]
    more = len(classes) - len(shown)
    return [*lines, f"  and {more} more, none with a lower F1; --json has them all"] if more else lines


def _shortened(notes: Sequence[str]) -> list[str]:
    more = len(notes) - _SHOWN
    return [*notes[:_SHOWN], f"note: and {more} more"] if more > 0 else list(notes)


def evaluate_recordings(asked: Evaluation) -> Outcome:
    """WER or CER by set, with intervals and the worst clips, of a published recogniser or of a running service.

    Raises:
        DataError: there are no recordings, or a clip of an evaluation set is missing.
        StoreError: there is no such artifact.
        TranscriptionError: a recording could not be transcribed.
    """
    if not asked.data.exists():
        raise DataError(
            f"there is no {asked.data}: name a folder with eval/speech_*/manifest.tsv, or recordings of yours, with "
            "a text beside each or in a table"
        )
    artifact = None if asked.url is not None else asked.store.find(asked.model or _SPEECH_MODEL)
    told = _clips(asked, artifact)
    if artifact is None:
        server = Server(asked.url or "", asked.wishes, asked.model or "")
        found = _heard(told, server.transcribe)
        return _recordings_outcome(found, f"the service at {asked.url}", {"url": asked.url, "name": asked.model})
    variant = asked.variant or next((each for each in _PREFERRED if each in artifact.manifest.variants), "auto")
    with _transcriber(asked, artifact, variant) as transcribe:
        found = _heard(told, transcribe)
    manifest = artifact.manifest
    fields = {"name": manifest.name, "version": manifest.version, "variant": variant}
    return _recordings_outcome(found, f"{artifact.id} {variant}", fields)


@dataclass(frozen=True)
class _Told:
    """The recordings with what is said in them."""

    clips: Sequence[Clip]
    is_own: bool = False
    notes: tuple[str, ...] = ()


def _clips(asked: Evaluation, artifact: Artifact | None) -> _Told:
    """The evaluation sets, or a user's own recordings in the units that the model writes."""
    if has_sets(asked.data):
        if asked.language:
            raise UsageError(f"--language is for recordings of yours: the sets below {asked.data} name theirs")
        return _Told(read_clips(asked.data))
    language, is_by_characters = _spoken(artifact)
    own = read_own_clips(asked.data, asked.cache, asked.language or language, is_by_characters=is_by_characters)
    return _Told(own.clips, is_own=True, notes=own.notes)


def _spoken(artifact: Artifact | None) -> tuple[str, bool]:
    """The one language of a CTC model, and whether it writes letters; nothing of others."""
    if artifact is None or artifact.manifest.tokenizer is None or set(artifact.manifest.graphs) != {"model"}:
        return "", False
    units = Units.read(artifact.path(artifact.manifest.tokenizer))
    return str(artifact.manifest.decoding["language"]), not units.joiner


@contextmanager
def _transcriber(asked: Evaluation, artifact: Artifact, variant: str) -> Iterator[Transcribe]:
    if variant != "auto" and variant not in artifact.manifest.variants:
        raise UsageError(f"{artifact.id} has no variant {variant}, only {', '.join(artifact.manifest.variants)}")
    with offline(asked.store.root, artifact.id, variant, asked.wishes) as transcribe:
        yield transcribe


@dataclass(frozen=True)
class _Heard:
    """The figures, and in words what was left out."""

    report: SpeechReport
    notes: tuple[str, ...]


def _heard(told: _Told, transcribe: Transcribe) -> _Heard:
    """Transcribe and score; of a user's own recordings those that cannot be read are left out.

    Raises:
        DataError: none can be read.
        TranscriptionError: a recording could not be transcribed.
    """
    scored, notes = [], list(told.notes)
    for clip in tqdm(told.clips, unit="clip", desc="recordings", leave=False, disable=None):
        try:
            scored.append(score_clip(clip, transcribe(clip.path, clip.language)))
        except UnreadableRecordingError as error:
            if not told.is_own:
                raise
            notes.append(f"{clip.path} was left out: {error}")
    if not scored:
        raise DataError(f"not one of the recordings can be read: {notes[0]}")
    return _Heard(report(scored, is_own=told.is_own), tuple(notes))


def _recordings_outcome(found: _Heard, who: str, fields: Mapping[str, str | None]) -> Outcome:
    notes = [f"note: {each}" for each in found.notes]
    shown = {**fields, **found.report.as_json(), "left_out": list(found.notes)}
    return Outcome((f"{who}:", *found.report.lines(), *_shortened(notes)), shown)


EVALUATIONS: dict[str, Callable[[Evaluation], Outcome]] = {"image": evaluate_images, "speech": evaluate_recordings}
"""By kind: what measures it."""
