"""Manifests are read as sets, clips scored by their language, and the report names normaliser and worst clips."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from training.errors import DataError
from training.evaluate_speech import evaluate_speech, read_clips


def manifest(data: Path, name: str, *rows: str) -> None:
    folder = data / "eval" / name
    header = "path\tlabel\tlang\tsource" if name == "speech_other" else "path\tlabel\tsource"
    for row in rows:
        path = folder / row.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "manifest.tsv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    manifest(tmp_path, "speech_en", 'a/one.wav\tHello, "World"\tx', "a/two.wav\tgood morning all of you\tx")
    manifest(tmp_path, "speech_zh", "b/three.wav\t漢語識別\tx", "hsk_words/four.mp3\t城市\tx")
    manifest(tmp_path, "speech_other", "c/five.wav\tGuten Tag\tde\tx")
    return tmp_path


HEARD = {"one": "hello world", "two": "Good evening all.", "three": "汉语识字", "four": "城市", "five": "guten tag!"}


def test_the_report(data: Path) -> None:
    asked: list[tuple[str, str]] = []

    def transcribe(path: Path, language: str) -> str:
        asked.append((path.stem, language))
        return HEARD[path.stem]

    seen: list[str] = []
    report = evaluate_speech(data, transcribe, lambda scored: seen.append(scored.heard))
    assert asked == [("one", "en"), ("two", "en"), ("five", "de"), ("three", "zh"), ("four", "zh")]
    assert seen == [HEARD[stem] for stem, _ in asked]
    figures = json.loads(json.dumps(report.as_json()))
    assert figures["wer"] == pytest.approx(3 / 7)  # one word differs, two are missing
    assert figures["cer"] == pytest.approx(1 / 4)
    assert set(figures["sets"]) == {"speech_en", "speech_other de", "speech_zh sentences", "speech_zh words"}
    assert figures["sets"]["speech_zh words"]["cer"] == 0
    assert figures["sets"]["speech_en"]["worst"] == [{"clip": "two.wav", "errors": 3, "tokens": 5}]


def test_the_lines_name_what_a_reader_needs(data: Path) -> None:
    lines = list(evaluate_speech(data, lambda path, _: HEARD[path.stem]).lines())
    assert lines[0].startswith("speech_en: WER 42.9% [")
    assert lines[0].endswith("normaliser basic")
    assert any("two.wav" in line for line in lines)
    assert not any("one.wav" in line for line in lines)
    assert any(line.startswith("speech_zh sentences: CER 25.0%") for line in lines)


def test_data_without_sets_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="speech_"):
        read_clips(tmp_path)


def test_a_clip_that_is_missing_is_an_error(data: Path) -> None:
    (data / "eval/speech_en/a/two.wav").unlink()
    with pytest.raises(DataError, match=r"two\.wav"):
        evaluate_speech(data, lambda path, _: HEARD[path.stem])


def test_sets_that_are_absent_have_no_figure(tmp_path: Path) -> None:
    manifest(tmp_path, "speech_en", "one.wav\thello world\tx")
    figures = evaluate_speech(tmp_path, lambda *_: "hello world").as_json()
    assert figures["wer"] == 0
    assert figures["cer"] is None


@pytest.mark.skipif("PERCEPT_DATA" not in os.environ, reason="PERCEPT_DATA names no data folder")
def test_the_evaluation_sets_are_read_in_full() -> None:
    clips = read_clips(Path(os.environ["PERCEPT_DATA"]))
    sizes = {group: sum(clip.group == group for clip in clips) for group in {clip.group for clip in clips}}
    assert sizes == {
        "speech_en": 33,
        "speech_zh sentences": 41,
        "speech_zh words": 60,
        "speech_zh keywords": 2,
        "speech_other es": 1,
        "speech_other de": 1,
    }
