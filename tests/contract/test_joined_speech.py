"""What is made of recordings that are joined from others: said again and again, with pauses, in two languages.

The recordings are those of PERCEPT_DATA.
"""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from service.speech.decode import AudioLimits, decode
from tests.contract.test_speech import ask, wav
from tests.served import Served

DATA = Path(os.environ.get("PERCEPT_DATA", ""))
pytestmark = [
    pytest.mark.xdist_group("speech"),
    pytest.mark.skipif("PERCEPT_DATA" not in os.environ, reason="PERCEPT_DATA names no data folder"),
]


def sound(file: bytes | IO[bytes]) -> Samples:
    """Float32 at 16 kHz, at most half of full scale."""
    samples = np.concatenate(list(decode(file, AudioLimits())))
    return np.asarray(samples * min(3.0, 0.5 / float(np.abs(samples).max())), np.float32)


def trimmed(samples: Samples) -> Samples:
    """Without the silence around it."""
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def pause(seconds: float) -> Samples:
    """Silence."""
    return np.zeros(round(seconds * SPEECH_RATE_HZ), np.float32)


def takes(digit: int, speaker: str, count: int) -> list[Samples]:
    """One digit, said by one speaker, as often as asked."""
    archive = DATA / "fsdd.tar.gz"
    if not archive.is_file():
        pytest.skip("PERCEPT_DATA holds no fsdd.tar.gz")
    names = {f"recordings/{digit}_{speaker}_{take}.wav" for take in range(count)}
    with tarfile.open(archive) as packed:
        files = [packed.extractfile(member) for member in packed if member.name in names]
        return [trimmed(sound(file.read())) for file in files if file is not None]


@pytest.mark.parametrize(
    ("digit", "speaker", "count", "word"),
    [(9, "jackson", 16, "nine"), (7, "theo", 16, "seven"), (9, "george", 12, "nine")],
)
def test_what_is_said_again_and_again_is_written_about_as_often(
    service: Served, digit: int, speaker: str, count: int, word: str
) -> None:
    said = np.concatenate([part for take in takes(digit, speaker, count) for part in (take, pause(0.1))])
    text = ask(service, wav(said), language="en")["text"].lower()
    assert 0.5 * count <= len(re.findall(rf"{digit}|{word}", text)) <= 2 * count
