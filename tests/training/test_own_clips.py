"""A user's own recordings: every form that can be trained on, the test part where there is one, languages apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import DataError
from training.evaluate_speech import report, score_clip
from training.own_clips import read_own_clips


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def read(root: Path, language: str = "") -> list[tuple[str, str, str]]:
    """Name, language and text of each clip."""
    clips = read_own_clips(root, root.parent / "cache", language).clips
    return [(clip.path.name, clip.language, clip.text) for clip in clips]


def test_texts_beside(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    touch(mine / "a.wav", mine / "deep" / "b.flac", mine / "c.mp3")
    (mine / "a.txt").write_text("Good morning.\n", encoding="utf-8")
    (mine / "deep" / "b.txt").write_text("今天天气很好", encoding="utf-8")
    found = read_own_clips(mine, tmp_path)
    assert read(mine) == [("a.wav", "", "Good morning."), ("b.flac", "zh", "今天天气很好")]
    assert [clip.group for clip in found.clips] == ["mine other", "mine zh"]
    assert [clip.measure for clip in found.clips] == ["wer", "cer"]
    assert found.notes == (f"{mine / 'c.mp3'} was left out: it has no transcript",)


def test_a_table_its_languages_and_its_test_part(tmp_path: Path) -> None:
    touch(tmp_path / "mine" / "b.wav", tmp_path / "mine" / "c.wav")
    table = tmp_path / "mine" / "list.tsv"
    rows = ("path\ttext\tpart\tlang", "a.wav\tone\ttrain\ten", "b.wav\tzwei\ttest\tde", "c.wav\tthree\ttest\t")
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert read(tmp_path / "mine", "en") == read(table, "en") == [("b.wav", "de", "zwei"), ("c.wav", "en", "three")]


def test_json_lines_and_a_recording_that_is_not_there(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    lines = '{"path": "a.wav", "text": "one", "language": "en"}\n{"path": "b.wav", "text": "two", "language": "en"}\n'
    (tmp_path / "list.jsonl").write_text(lines, encoding="utf-8")
    found = read_own_clips(tmp_path, tmp_path)
    assert [clip.text for clip in found.clips] == ["one"]
    assert {clip.group for clip in found.clips} == {tmp_path.name}
    assert found.notes == (f"{tmp_path / 'b.wav'} was left out: it is not there",)


@pytest.mark.parametrize("folder", ["", "recordings"])
def test_spoken_digits_tell_by_their_names(tmp_path: Path, folder: str) -> None:
    touch(*(tmp_path / folder / f"{digit}_ann_{take}.wav" for digit in (0, 7) for take in (0, 4, 5)))
    touch(tmp_path / "requirements.txt")
    found = read(tmp_path, "en")
    assert {clip.group for clip in read_own_clips(tmp_path, tmp_path, "en").clips} == {
        f"test part of {tmp_path.name}"
    }
    assert [(name, text) for name, _, text in found] == [
        ("0_ann_0.wav", "zero"), ("0_ann_4.wav", "zero"), ("7_ann_0.wav", "seven"), ("7_ann_4.wav", "seven"),
    ]  # fmt: skip


def test_a_text_beside_goes_before_a_name_like_a_digits(tmp_path: Path) -> None:
    touch(tmp_path / "7_ann_9.wav")
    (tmp_path / "7_ann_9.txt").write_text("good evening", encoding="utf-8")
    assert read(tmp_path) == [("7_ann_9.wav", "", "good evening")]


@pytest.mark.parametrize(
    ("text", "language"),
    [("我们用 GPU 训练", "zh"), ("ok 好", ""), ("天気がいい", ""), ("Guten Tag", ""), ("1234", "")],
)
def test_the_script_tells_chinese(tmp_path: Path, text: str, language: str) -> None:
    touch(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert read(tmp_path) == [("a.wav", language, text)]


def test_characters_may_be_counted(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("Good, dogs!", encoding="utf-8")
    by_words, by_characters = (
        report(
            [score_clip(clip, "good dog") for clip in read_own_clips(tmp_path, tmp_path, is_by_characters=yes).clips],
            is_own=True,
        ).as_json()
        for yes in (False, True)
    )
    assert (by_words["wer"], by_words["cer"]) == (1 / 2, None)
    assert (by_characters["wer"], by_characters["cer"]) == (None, 1 / 9)


def test_what_is_lacking_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder, table or tar"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no recordings"):
        read(tmp_path)
    (tmp_path / "list.tsv").write_text("path\ttext\nb.wav\ttwo\n", encoding="utf-8")
    with pytest.raises(DataError, match="no recording that is there"):
        read(tmp_path)
