"""With the published detector: nothing is heard where nobody speaks, and speech is found between other sounds."""

from __future__ import annotations

import csv
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from models.store import DEFAULT_ROOT, ArtifactNotFoundError, Store
from service.onnx_runner import OnnxRunner, place
from service.runner import Runner
from service.speech.decode import AudioLimits, decode
from service.speech.segment import segment
from service.speech.voice import FRAME_SAMPLES
from tests.service.speech.sounds import WORDLESS

_FAINT = 0.01  # 40 dB down
_TOLERANCE = 2 * FRAME_SAMPLES


@cache
def detector() -> Runner:
    root = Path(os.environ.get("PERCEPT_ARTIFACTS", DEFAULT_ROOT))
    try:
        artifact = Store(root).find("silero-vad")
    except ArtifactNotFoundError:
        pytest.skip("silero-vad is not published here")
    variant = artifact.manifest.variants["fp32"]
    (graph,) = variant.files.values()
    return OnnxRunner(artifact.path(graph), place("cpu"), threads=1)


# One struck chord passes for a voice; the recogniser behind finds no words in it (tests/contract/test_speech.py).
_STEADY = sorted(WORDLESS.keys() - {"chords"})


@pytest.mark.parametrize("name", _STEADY)
def test_nothing_is_heard_where_nobody_speaks(name: str) -> None:
    runner = detector()
    for level in (1.0, _FAINT):
        assert list(segment([WORDLESS[name]() * np.float32(level)], runner)) == []


def sentences() -> list[Samples]:
    if "PERCEPT_DATA" not in os.environ:
        pytest.skip("PERCEPT_DATA names no data folder")
    manifest = Path(os.environ["PERCEPT_DATA"]) / "eval" / "speech_zh" / "manifest.tsv"
    with manifest.open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    paths = [path for path in paths if "aishell" in path]
    return [np.concatenate(list(decode((manifest.parent / path).read_bytes(), AudioLimits()))) for path in paths[:12]]


@pytest.mark.parametrize("level", [1.0, _FAINT])
def test_every_sentence_is_heard(level: float) -> None:
    runner = detector()
    for samples in sentences():
        assert len(list(segment([samples * np.float32(level)], runner))) == 1


@pytest.mark.parametrize("name", _STEADY)
def test_a_sentence_between_other_sounds_is_found_whole(name: str) -> None:
    runner, around = detector(), WORDLESS[name]()
    for samples in sentences()[:4]:
        said = next(segment([samples], runner)).speech
        found = list(segment([around, samples, around], runner))
        assert found[0].start <= len(around) + said[0].start + _TOLERANCE
        assert found[-1].start + len(found[-1].samples) >= len(around) + said[-1].end
        assert sum(window.duration_s for window in found) < len(samples) / SPEECH_RATE_HZ + 2.0
