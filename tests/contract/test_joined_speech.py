"""What is made of recordings that are joined from others: said again and again, with pauses, in two languages.

The recordings are those of PERCEPT_DATA.
"""

from __future__ import annotations

import csv
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


def labelled(name: str, label: str) -> Samples:
    """The recording of `eval/` whose label begins so."""
    folder = DATA / "eval" / name
    if not folder.is_dir():
        pytest.skip(f"PERCEPT_DATA holds no eval/{name}")
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        path = next(row["path"] for row in rows if row["label"].startswith(label))
    return sound((folder / path).read_bytes())


@pytest.mark.parametrize(
    ("name", "sentences", "pause_s", "said"),
    [
        ("speech_en", ("in being comparatively", "STUFF IT INTO"), 1.0, "modern.*belly"),
        ("speech_en", ("in being comparatively", "the dose for an adult"), 0.6, "modern.*adult"),
        ("speech_en", ("Printing, then,", "you who were always"), 0.6, "books.*always"),
        ("speech_en", ("i really liked", "STUFF IT INTO"), 1.0, "better.*belly"),
        ("speech_en", ("i really liked", "the dose for an adult"), 0.6, "better.*adult"),
        ("speech_zh", ("现在这个部门", "三百零五千"), 0.6, "研究.*305"),
        ("speech_zh", ("九月一日", "相比于"), 0.6, "通.*城市|通.*一线"),
        ("speech_zh", ("哪个这么大", "广州市"), 1.0, "胆子.*房地产"),
        ("speech_zh", ("一名六零岁", "迪卡侬"), 1.0, "工人.*运动"),
    ],
)
def test_no_sentence_of_two_is_lost(
    service: Served, name: str, sentences: tuple[str, str], pause_s: float, said: str
) -> None:
    """Each of these lost its second one: the first one's text was stretched over it, or nothing followed its end."""
    first, second = (labelled(name, label) for label in sentences)
    text = ask(service, wav(np.concatenate([first, pause(pause_s), second])), language=name[-2:])["text"].lower()
    assert re.search(said, text.replace(" ", "") if name == "speech_zh" else text), text
