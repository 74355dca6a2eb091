"""A speech artifact is served where its golden vectors replay, and refused by name where something is wrong."""

from __future__ import annotations

import io
import shutil
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.manifest import Manifest
from models.store import Store, file_ref
from service.errors import ArtifactRefused
from service.loader import Loader
from service.onnx_runner import place
from service.registry import Registry
from service.runner import Runner
from service.settings import Settings
from service.speech.desk import WhisperRunner
from service.speech.model import Options, Recording, SpeechModel
from service.speech.opening import VOICE, decoding_of
from service.speech.punctuation import Punctuated
from service.speech.transcribe import WhisperTranscriber
from tests.voices import babble
from tests.whispers import LANGUAGES

pytestmark = pytest.mark.xdist_group("small-whisper")
NAME = "whisper-small-test"


@pytest.fixture
def root(speech_store: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(speech_store, tmp_path / "store"))


def load(root: Path, variant: str = "auto") -> SpeechModel:
    settings = Settings(artifacts=root, variant=variant)
    model = Loader(Store(root), settings, place("cpu"), time.monotonic).load(NAME)
    assert isinstance(model, SpeechModel)
    return model


def rewrite(root: Path, change: Callable[[Manifest], Manifest]) -> None:
    path = root / NAME / "1" / "manifest.json"
    changed = change(Manifest.model_validate_json(path.read_bytes()))
    path.write_text(changed.model_dump_json(), encoding="utf-8")


def test_it_says_what_it_can(root: Path) -> None:
    model = load(root)
    assert (model.variant, model.provider) == ("int8", "cpu")
    assert model.languages == LANGUAGES
    assert model.tasks == ("transcribe", "translate")
    assert (model.beam_size, model.is_generative) == (2, True)
    assert load(root, "fp32").variant == "fp32"


def _with_golden(root: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = root / NAME / "1" / "golden.npz"
    arrays = dict(np.load(path))
    arrays[name] = change(arrays[name])
    np.savez(path, **arrays)
    rewrite(root, lambda manifest: manifest.model_copy(update={"golden": file_ref(path)}))


def test_int8_that_does_not_replay_gives_way_to_fp32(root: Path) -> None:
    _with_golden(root, "output.int8", lambda logits: logits + 100)
    model = load(root)
    assert model.variant == "fp32"
    assert "int8 differs from its golden vectors" in " ".join(model.notes)
    with pytest.raises(ArtifactRefused, match="int8"):
        load(root, "int8")


@pytest.mark.parametrize(
    ("array", "change", "words"),
    [
        ("output.fp32", lambda logits: logits * np.nan, "differs from its golden vectors"),
        ("tokens", lambda tokens: tokens[:2], "golden"),
        ("input", lambda samples: samples[::-1], "decoded differently|differs"),
    ],
)
def test_golden_vectors_that_are_wrong_are_refused(
    root: Path, array: str, change: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    _with_golden(root, array, change)
    with pytest.raises(ArtifactRefused, match=words):
        load(root, "fp32")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": None}, "needs audio preprocessing and a tokenizer"),
        ({"decoding": {"beam_size": "wide"}}, "beam_size is no whole number"),
        ({"decoding": {"suppress": 3}}, "suppress is no list of token ids"),
        ({"decoding": {"punctuated_languages": 3}}, "punctuated_languages are a list of codes"),
        ({"decoding": {"punctuation_probability": 0.0}}, "punctuation_probability is in 0…1"),
        ({"decoding": {"punctuation_probability": "half"}}, "punctuation_probability is in 0…1"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(root: Path, changes: dict[str, object], words: str) -> None:
    rewrite(root, lambda manifest: manifest.model_copy(update=changes))
    with pytest.raises(ArtifactRefused, match=words):
        load(root)


def test_the_manifest_says_which_languages_get_marks(root: Path) -> None:
    manifest = Manifest.model_validate_json((root / NAME / "1" / "manifest.json").read_bytes())
    assert decoding_of(manifest).punctuated == Punctuated(frozenset(), 0.5)  # made before marks were thought of
    said = {**manifest.decoding, "punctuated_languages": "zh, yue", "punctuation_probability": 0.25}
    changed = manifest.model_copy(update={"decoding": said})
    assert decoding_of(changed).punctuated == Punctuated(frozenset({"zh", "yue"}), 0.25)


def test_without_the_voice_detector_it_is_refused(root: Path) -> None:
    shutil.rmtree(root / "silero-vad")
    with pytest.raises(ArtifactRefused, match="silero-vad"):
        load(root)


def test_a_damaged_graph_is_refused(root: Path) -> None:
    (root / NAME / "1" / "decoder.fp32.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactRefused, match=r"decoder\.fp32\.onnx"):
        load(root, "fp32")


def _transcriber(model: object) -> WhisperTranscriber:
    assert isinstance(model, SpeechModel)
    assert isinstance(model.transcriber, WhisperTranscriber)
    return model.transcriber


def _publish_voice_again(root: Path) -> None:
    folder = Path(shutil.copytree(root / VOICE / "1", root / VOICE / "2"))
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(manifest.model_copy(update={"version": "2"}).model_dump_json(), "utf-8")


def test_models_share_a_voice_detector_until_a_newer_one_is_published(root: Path) -> None:
    loader = Loader(Store(root), Settings(artifacts=root), place("cpu"), time.monotonic)

    def voice() -> Runner:
        return _transcriber(loader.load(NAME))._voice

    first = voice()
    assert voice() is first
    _publish_voice_again(root)
    assert voice() is not first
    seen = weakref.ref(first)
    del first
    assert seen() is None


def test_a_replaced_model_lets_go_of_every_session(root: Path) -> None:
    loader = Loader(Store(root), Settings(artifacts=root), place("cpu"), time.monotonic)
    registry = Registry([NAME], Store(root), loader.load)
    registry.load_all()
    with registry.receive(SpeechModel, "speech-recognition", None, "") as (model, _):
        wanted = Options(languages=("en",), beam_size=1, temperature=1.0)
        model.engine.submit(Recording(io.BytesIO(babble(1.5)), wanted), 60.0).future.result(60.0)
    listener = _transcriber(model)._listener
    assert isinstance(listener, WhisperRunner)
    sessions = [weakref.ref(each) for each in (listener._encoder, listener._decoder, listener._encoder.session)]
    del model, listener
    registry.reload(NAME)
    end = time.monotonic() + 30.0
    while any(session() for session in sessions):
        assert time.monotonic() < end, "a session is still held"
    registry.stop(10.0)
