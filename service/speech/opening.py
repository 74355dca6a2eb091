"""From a speech artifact and a voice detector to a transcriber whose golden vectors replay on this machine.

The replay is also the warm-up. Which variant is tried, and what is done when one does not replay, is the loader's
business.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.ctc import Units
from models.manifest import Manifest
from models.store import Artifact
from service.admission import Clock
from service.errors import ArtifactRefused, RequestError
from service.golden import Golden, GoldenMismatch, check_golden
from service.onnx_runner import Kernels, OnnxRunner, Placement
from service.runner import Runner
from service.speech.ctc import CtcTranscriber, Reading
from service.speech.decode import AudioLimits, decode
from service.speech.desk import WhisperRunner
from service.speech.listener import Listener
from service.speech.model import Task
from service.speech.punctuation import Punctuated
from service.speech.tokenizer import Tokenizer
from service.speech.transcribe import WhisperTranscriber
from service.speech.transcriber import Transcriber
from service.speech.voice import STATE_SHAPE
from service.speech.whisper import Decoding

VOICE = "silero-vad"
_BEGINNING = 4  # golden tokens that are read at once; the others follow one by one
_MEDIA_MAX_DIFF = 1e-6  # the golden recording needs neither resampling nor a lossy decoder


def open_voice(artifact: Artifact, placement: Placement) -> Runner:
    """The voice detector, checked; it is small, so one thread runs it.

    Raises:
        ArtifactRefused: it does not replay its golden vectors.
    """
    manifest = artifact.manifest
    (variant,) = manifest.variants
    entry = manifest.variants[variant]
    runner = OnnxRunner(artifact.path(entry.files["model"]), placement, threads=1)
    golden = Golden.read(artifact.path(manifest.golden))
    state = np.zeros(STATE_SHAPE, np.float32)
    outputs = runner.run({"input": golden.inputs, "h": state, "c": state})
    check_golden(artifact.id, variant, entry, outputs["speech_probs"], golden.of(artifact.id, variant))
    return runner


@dataclass(frozen=True)
class Opened:
    """A recogniser that is checked and warm, and what it can."""

    transcriber: Transcriber
    languages: tuple[str, ...]
    tasks: tuple[Task, ...]
    is_generative: bool
    beam_size: int


@dataclass(frozen=True)
class SpeechOpener:
    """What every variant of a speech model is opened with."""

    voice: Runner
    placement: Placement
    threads: int
    kernels: Kernels
    limits: AudioLimits
    timeout_per_audio_s: float
    clock: Clock

    def open(self, artifact: Artifact, variant: str) -> Opened:
        """One variant, checked and warm: Whisper where it has an encoder and a decoder, else a CTC model.

        Raises:
            GoldenMismatch: its outputs are not those that were published with it.
            ArtifactRefused: a file is not what its manifest says.
        """
        manifest = artifact.manifest
        if manifest.preprocessing.kind != "audio" or manifest.tokenizer is None:
            raise ArtifactRefused(f"{artifact.id}: a speech model needs audio preprocessing and a tokenizer")
        files = {role: artifact.path(ref) for role, ref in manifest.variants[variant].files.items()}
        tokenizer = artifact.path(manifest.tokenizer)
        if {"encoder", "decoder"} <= files.keys():
            return self._open_whisper(artifact, variant, files, tokenizer)
        if set(files) == {"model"}:
            return self._open_ctc(artifact, variant, files["model"], tokenizer)
        raise ArtifactRefused(f"{artifact.id}: graphs {', '.join(sorted(files))} are of no recogniser that is known")

    def _open_whisper(self, artifact: Artifact, variant: str, files: dict[str, Path], tokens: Path) -> Opened:
        runner = WhisperRunner(files["encoder"], files["decoder"], self.placement, self.threads, self.kernels)
        _replay(artifact, variant, runner)
        tokenizer = Tokenizer.read(tokens)
        beam_size = beam_size_of(artifact.manifest)
        transcriber = WhisperTranscriber(
            runner,
            self.voice,
            tokenizer,
            decoding_of(artifact.manifest),
            beam_size=beam_size,
            limits=self.limits,
            timeout_per_audio_s=self.timeout_per_audio_s,
            clock=self.clock,
        )
        languages = tuple(tokenizer.specials.languages)
        return Opened(transcriber, languages, ("transcribe", "translate"), is_generative=True, beam_size=beam_size)

    def _open_ctc(self, artifact: Artifact, variant: str, graph: Path, units: Path) -> Opened:
        reading = reading_of(artifact.manifest, units)
        transcriber = CtcTranscriber(
            OnnxRunner(graph, self.placement, self.threads, self.kernels),
            self.voice,
            reading,
            limits=self.limits,
            timeout_per_audio_s=self.timeout_per_audio_s,
            clock=self.clock,
        )
        golden = Golden.read(artifact.path(artifact.manifest.golden))
        expected = golden.of(artifact.id, variant)
        _replay_decoding(artifact, golden)
        got = transcriber.log_probabilities(golden.inputs)
        check_golden(artifact.id, variant, artifact.manifest.variants[variant], got, expected)
        if expected.shape[-1] != len(reading.units.texts) + 1:
            raise ArtifactRefused(f"{artifact.id}: its units are not as many as its graph's tokens")
        return Opened(transcriber, (reading.language,), ("transcribe",), is_generative=False, beam_size=1)


def reading_of(manifest: Manifest, path: Path) -> Reading:
    """What a CTC model's manifest and its file of units say.

    Raises:
        ArtifactRefused: the one or the other is wrong.
    """
    language, stride_s = manifest.decoding.get("language"), manifest.decoding.get("stride_s")
    if not isinstance(language, str) or not isinstance(stride_s, float) or not stride_s > 0:
        raise ArtifactRefused(f"{manifest.name}: a CTC model names its language and its stride in seconds")
    try:
        return Reading(Units.read(path), language, stride_s)
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactRefused(f"{path.name} is no file of units: {error}") from error


def decoding_of(manifest: Manifest) -> Decoding:
    """What the manifest says of decoding."""
    return Decoding(_ids(manifest, "suppress"), _ids(manifest, "suppress_first"), punctuated=_punctuated(manifest))


def _punctuated(manifest: Manifest) -> Punctuated:
    languages = manifest.decoding.get("punctuated_languages", "")
    probability = manifest.decoding.get("punctuation_probability", Punctuated.min_probability)
    if not isinstance(languages, str) or not isinstance(probability, float) or not 0 < probability <= 1:
        raise ArtifactRefused(
            f"{manifest.name}: its punctuated_languages are a list of codes, its punctuation_probability is in 0…1"
        )
    return Punctuated(frozenset(code.strip() for code in languages.split(",") if code.strip()), probability)


def beam_size_of(manifest: Manifest) -> int:
    """The beam that is used where a request names none."""
    width = manifest.decoding.get("beam_size", 1)
    if not isinstance(width, int):
        raise ArtifactRefused(f"{manifest.name}: its beam_size is no whole number")
    return width


def _ids(manifest: Manifest, name: str) -> tuple[int, ...]:
    value = manifest.decoding.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, int) for each in value):
        raise ArtifactRefused(f"{manifest.name}: its {name} is no list of token ids")
    return tuple(each for each in value if isinstance(each, int))


def _replay(artifact: Artifact, variant: str, listener: Listener) -> None:
    """Decode the golden recording, listen to it, and follow the golden tokens."""
    golden = Golden.read(artifact.path(artifact.manifest.golden))
    expected = golden.of(artifact.id, variant)
    tokens = golden.others.get("tokens", np.zeros(0, np.int64)).tolist()
    if len(tokens) - _BEGINNING + 1 != len(expected):
        raise GoldenMismatch(f"{artifact.id}: its golden tokens do not fit its golden outputs")
    _replay_decoding(artifact, golden)
    desk = listener.desk(1)
    desk.listen(golden.inputs)
    entry = artifact.manifest.variants[variant]
    check_golden(artifact.id, variant, entry, desk.begin(tokens[:_BEGINNING]), expected[0])
    for place, wanted in enumerate(expected[1:], start=_BEGINNING):
        check_golden(artifact.id, variant, entry, desk.step([tokens[place]])[0], wanted)


def _replay_decoding(artifact: Artifact, golden: Golden) -> None:
    """The golden recording is decoded here as it was where it was published."""
    for data in golden.media:
        _replay_one(artifact, data, golden)


def _replay_one(artifact: Artifact, data: bytes, golden: Golden) -> None:
    try:
        samples = np.concatenate(list(decode(io.BytesIO(data), AudioLimits())))
    except RequestError as error:
        raise ArtifactRefused(
            f"{artifact.id}: its golden recording cannot be decoded on this machine: {error.detail}"
        ) from error
    if len(samples) != len(golden.inputs) or not np.abs(samples - golden.inputs).max() <= _MEDIA_MAX_DIFF:
        raise ArtifactRefused(f"{artifact.id}: its golden recording is decoded differently on this machine")
