"""Recordings and what is said in them, from every form that data come in; nothing of a speaker on both sides."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.sound_files.waves import wav16
from tests.spoken import write_wav
from training.data.speech import Recordings, SpeechData, divided, read_recordings
from training.data.transcripts import Listed
from training.errors import DataError

RATE_HZ = 16_000


def tone(number: int, seconds: float = 0.05, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A sound of its own for each number."""
    return 0.2 * np.sin(2 * np.pi * (200 + 13 * number) * np.arange(int(seconds * rate_hz)) / rate_hz)


def read(root: Path, is_fsdd: bool = False, max_clip_s: float = 16.0, test_fraction: float = 0.2) -> SpeechData:
    cache = root.parent / "cache"
    return read_recordings(root, is_fsdd=is_fsdd, test_fraction=test_fraction, max_clip_s=max_clip_s, cache=cache)


def said(data: SpeechData) -> dict[str, str]:
    """Texts by file names, of both parts."""
    return {each.file.name: each.text for part in (data.train, data.test) for each in part.listed}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


def write_tones(root: Path, count: int = 24) -> list[str]:
    return [write_wav(root / f"{number}.wav", tone(number)).name for number in range(count)]


def test_a_table_of_tabs(root: Path) -> None:
    names = write_tones(root)
    rows = [f'{name}\tword "{n}\tspeaker {n % 4}\t' for n, name in enumerate(names)]
    (root / "said.tsv").write_text("\ufeffpath\ttext\tspeaker\tpart\n" + "\n".join(rows), encoding="utf-8")
    for place in (root, root / "said.tsv"):
        found = read(place)
        assert said(found) == {name: f'word "{n}' for n, name in enumerate(names)}
        train, test = ({each.speaker for each in part.listed} for part in (found.train, found.test))
        assert train | test == {f"speaker {n}" for n in range(4)}
        assert not train & test


def test_json_lines(root: Path) -> None:
    names = write_tones(root)
    rows: list[dict[str, Any]] = [{"path": name, "sentence": f"说 {n}", "speaker": n} for n, name in enumerate(names)]
    rows[0]["part"], rows[1]["part"] = "test", "train"
    text = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (root / "said.jsonl").write_text(text + "\n", encoding="utf-8")
    found = read(root)
    assert said(found) == {name: f"说 {n}" for n, name in enumerate(names)}
    assert [each.file.name for each in found.test.listed] == ["0.wav"]


def test_a_text_beside_each_recording_and_its_folder_is_the_speaker(root: Path) -> None:
    for speaker in ("ada", "bob", "cy", "dan"):
        for number in range(6):
            seed = 10 * ord(speaker[0]) + number
            write_wav(root / speaker / f"{number}.wav", tone(seed)).with_suffix(".txt").write_text(f" {seed}\n")
    found = read(root)
    train, test = ({each.speaker for each in part.listed} for part in (found.train, found.test))
    assert len(test) == 1
    assert train | test == {"ada", "bob", "cy", "dan"}
    for part in (found.train, found.test):
        for each in part.listed:
            assert each.speaker == each.file.parent.name
            assert each.text == str(10 * ord(each.speaker[0]) + int(each.file.stem))


def test_libri_speech_and_its_readers_stay_on_one_side(root: Path) -> None:
    """`<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac`: a reader has several chapters."""
    for speaker in (84, 174, 251, 422):
        for chapter in (1, 2, 3):
            stems = [f"{speaker}-{chapter}-{number:04}" for number in range(3)]
            folder = root / str(speaker) / str(chapter)
            for number, stem in enumerate(stems):
                write_wav(folder / f"{stem}.wav", tone(speaker * 10 + chapter * 3 + number))
            lines = "".join(f"{stem} SAID IN {stem}\n" for stem in stems)
            (folder / f"{speaker}-{chapter}.trans.txt").write_text(lines)
    found = read(root)
    assert len(said(found)) == 36
    assert all(text == f"SAID IN {name.removesuffix('.wav')}" for name, text in said(found).items())
    train, test = ({each.speaker for each in part.listed} for part in (found.train, found.test))
    assert (len(test), train | test) == (1, {"84", "174", "251", "422"})
    assert not train & test


def test_free_spoken_digits_by_their_names(root: Path) -> None:
    for digit in range(2):
        for speaker in ("jackson", "theo"):
            for take in range(12):
                sound = tone(take + 12 * digit + 24 * len(speaker), rate_hz=8000)
                write_wav(root / "recordings" / f"{digit}_{speaker}_{take}.wav", sound, 8000)
    write_wav(root / "recordings" / "10_x_0.wav", tone(1))
    write_wav(root / "recordings" / "readme.wav", tone(1))
    found = read(root, is_fsdd=True)
    assert (len(found.train), len(found.test), found.notes) == (2 * 2 * 7, 2 * 2 * 5, ())
    assert {name.split("_")[0]: text for name, text in said(found).items()} == {"0": "zero", "1": "one"}
    assert all(int(each.file.stem.rpartition("_")[2]) < 5 for each in found.test.listed)
    assert all(int(each.file.stem.rpartition("_")[2]) >= 5 for each in found.train.listed)
    assert {each.speaker for each in found.train.listed} == {"jackson", "theo"}


@pytest.mark.parametrize("held", ["theo", "lucas"])
def test_one_speaker_may_be_what_is_judged_by(root: Path, held: str) -> None:
    for take in range(8):
        for number, speaker in enumerate(("theo", "lucas", "jackson")):
            write_wav(root / f"{take % 3}_{speaker}_{take}.wav", tone(20 * number + take))
    asked = {"is_fsdd": True, "test_fraction": 0.2, "max_clip_s": 16.0, "cache": root.parent / "cache"}
    found = read_recordings(root, **asked, test_speaker=held)  # type: ignore[arg-type]
    assert {each.speaker for each in found.test.listed} == {held}
    assert {each.speaker for each in found.train.listed} == {"theo", "lucas", "jackson"} - {held}
    assert (len(found.train), len(found.test)) == (16, 8), "takes 0 to 4 of the others are learnt from too"
    with pytest.raises(DataError, match="nobody is called maria, only jackson, lucas, theo"):
        read_recordings(root, **asked, test_speaker="maria")  # type: ignore[arg-type]


def test_a_tar(root: Path, tmp_path: Path) -> None:
    for number, name in enumerate(write_tones(root)):
        (root / name).with_suffix(".txt").write_text(f"word {number}")
    with tarfile.open(tmp_path / "said.tar.gz", "w:gz") as tar:
        tar.add(root, "recordings")
    packed, plain = read(tmp_path / "said.tar.gz"), read(root)
    assert said(packed) == said(plain)
    assert packed.fingerprint == plain.fingerprint


def test_sound_is_at_16_khz_mono_and_each_recording_its_own(root: Path) -> None:
    for number in range(24):
        write_wav(root / f"{number:02}.wav", tone(number, 0.1 + 0.01 * number, 8000), 8000)
        (root / f"{number:02}.txt").write_text("word")
    found = read(root).train
    for index, each in enumerate(found.listed):
        number = int(each.file.stem)
        audio = found.audio(index)
        assert audio.dtype == np.float32
        assert len(audio) == pytest.approx((0.1 + 0.01 * number) * RATE_HZ, abs=4)
        assert found.seconds(index) == len(audio) / RATE_HZ
        loudest = np.abs(np.fft.rfft(audio)).argmax() * RATE_HZ / len(audio)
        assert loudest == pytest.approx(200 + 13 * number, abs=8)
        assert np.abs(audio).max() == pytest.approx(0.2, abs=0.02)


def test_recordings_are_read_as_the_service_reads_them(root: Path) -> None:
    for number in range(24):
        sound = tone(number, 1.0)
        (root / f"{number}.wav").write_bytes(wav16(np.stack([sound + 0.3, 0.1 - sound], axis=1), behind=b"\n"))
        (root / f"{number}.txt").write_text("word")
    found = read(root)
    for part in (found.train, found.test):
        for index, each in enumerate(part.listed):
            sound = tone(int(each.file.stem), 1.0)
            assert abs(np.corrcoef(part.audio(index), sound)[0, 1]) > 0.99, "opposite channels under offsets"
            assert abs(part.audio(index).mean()) < 1e-3


def test_what_is_left_out_is_named(root: Path) -> None:
    names = write_tones(root, 30)
    for name in names:
        (root / name).with_suffix(".txt").write_text("word")
    (root / "0.txt").unlink()
    (root / "1.txt").write_text(" \n")
    (root / "2.wav").write_bytes(b"no sound at all")
    write_wav(root / "3.wav", np.zeros(0))
    write_wav(root / "4.wav", tone(4, 2.0))
    found = read(root, max_clip_s=1.0)
    assert len(found.train) + len(found.test) == 25
    assert [note.rpartition("/")[2] for note in found.notes] == [
        "0.wav was left out: it has no transcript",
        "1.wav was left out: it has no transcript",
        "2.wav was left out: it cannot be decoded",
        "3.wav was left out: it is empty",
        "4.wav was left out: it is longer than 1 s",
    ]


def test_rows_without_a_text_or_a_file_are_named(root: Path) -> None:
    names = write_tones(root)
    rows = [f"{name}\tword" for name in names]
    rows[3] = "3.wav\t"
    (root / "said.tsv").write_text("path\ttext\n" + "\n".join([*rows, "gone.wav\tword"]))
    found = read(root)
    assert [note.rpartition("/")[2] for note in found.notes] == [
        "3.wav was left out: it has no transcript",
        "gone.wav was left out: it is not there",
    ]


def test_changed_recordings_are_decoded_again(root: Path) -> None:
    for name in write_tones(root):
        (root / name).with_suffix(".txt").write_text("word")
    before = read(root)
    assert read(root).train.sound.tolist() == before.train.sound.tolist()
    write_wav(root / "5.wav", tone(90))
    os.utime(root / "5.wav", (1, 1))
    after = read(root)
    assert after.train.sound.tolist() != before.train.sound.tolist()
    assert set(after.train.contents) | set(after.test.contents) != set(before.train.contents)


def test_the_fingerprint_is_of_sounds_and_texts(root: Path) -> None:
    names = write_tones(root)
    parts = ["test" if n < 4 else "train" for n in range(len(names))]

    def write(last: str, first: str = "word") -> str:
        rows = [f"{name}\tword\t{part}" for name, part in zip(names, parts, strict=True)]
        rows[-1] = f"{names[-1]}\t{last}\ttrain"
        rows[0] = f"{names[0]}\t{first}\ttest"
        (root / "said.tsv").write_text("path\ttext\tpart\n" + "\n".join(rows))
        return read(root).fingerprint

    assert write("word") == write("word") != write("other")
    assert write("word", "other") != write("word"), "what is judged by belongs to the data too"


def test_recordings_of_the_test_part_are_not_learnt_from(root: Path) -> None:
    names = write_tones(root)
    (root / "copy.wav").write_bytes((root / "7.wav").read_bytes())
    rows = [f"{name}\tword\ttrain" for name in names]
    (root / "said.tsv").write_text("path\ttext\tpart\n" + "\n".join([*rows, "copy.wav\tword\ttest"]))
    found = read(root)
    assert (len(found.train), len(found.test)) == (23, 1)
    assert found.notes == ("1 training recordings are in the test part too and were left out",)


def recordings(speakers: list[str], contents: list[str], texts: list[str]) -> Recordings:
    pairs = zip(speakers, texts, strict=True)
    listed = tuple(Listed(Path(f"{n}.wav"), text, speaker) for n, (speaker, text) in enumerate(pairs))
    return Recordings(np.zeros(0, np.int16), tuple((0, 0) for _ in listed), listed, tuple(contents))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=50),
    st.floats(0.05, 0.6),
    st.integers(0, 99),
)
def test_no_speaker_and_no_content_is_on_both_sides(
    examples: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    speakers, contents = [f"s{each[0]}" for each in examples], [f"c{each[1]}" for each in examples]
    found = recordings(speakers, contents, ["word"] * len(examples))
    for by in ("speaker", "content"):
        kept, held = divided(found, "speaker" if by == "speaker" else "content", fraction, seed)
        assert sorted([*kept.tolist(), *held.tolist()]) == list(range(len(examples)))
        assert not {contents[i] for i in kept} & {contents[i] for i in held}
        if by == "speaker" and len(set(speakers)) > 1:
            assert not {speakers[i] for i in kept} & {speakers[i] for i in held}


def test_texts_that_come_often_are_divided_evenly() -> None:
    texts = [("zero", "one", "two")[n % 3] for n in range(90)]
    found = recordings([""] * 90, [str(n) for n in range(90)], texts)
    _, held = divided(found, "content", 0.2, 1)
    assert sorted(texts[i] for i in held) == ["one"] * 6 + ["two"] * 6 + ["zero"] * 6


def _without_texts(root: Path) -> None:
    write_tones(root)


def _few(root: Path) -> None:
    for name in write_tones(root, 3):
        (root / name).with_suffix(".txt").write_text("word")


def _broken(root: Path) -> None:
    for number in range(30):
        (root / f"{number:02}.wav").write_bytes(b"no sound")
        (root / f"{number:02}.txt").write_text("word")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root.rmdir(), "there is no folder, table or tar"),
        (lambda root: None, r"holds no recordings \(\.aiff"),
        (_without_texts, "holds recordings and no transcripts: put a .txt beside each"),
        (_few, "holds only 3 recordings to learn from: at least 20 are needed$"),
        (_broken, r"holds only 0 recordings .*; .*/00\.wav was left out: it cannot be decoded \(and 29 more\)"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_sentence(root: Path, make: Callable[[Path], None], words: str) -> None:
    make(root)
    with pytest.raises(DataError, match=words) as caught:
        read(root)
    assert len(str(caught.value).splitlines()) == 1
