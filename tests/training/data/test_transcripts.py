"""What the data say of recordings, read without opening one."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data.transcripts import Listed, judged_recordings, told_recordings
from training.errors import DataError


def touch(folder: Path, *names: str) -> None:
    """Files without content: they are not opened."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_a_table_tells_text_speaker_part_and_language(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("path\ttext\tspeaker\tpart\tlang\nx.wav\t 好 \tann\ttest\tzh\ny.wav\t\t\t\t\n")
    listed, missing = told_recordings(tmp_path, tmp_path)
    assert listed == [Listed(tmp_path / "x.wav", "好", "ann", "test", "zh")]
    assert missing == [tmp_path / "y.wav"]


def test_a_text_beside_a_recording_and_its_folder_is_the_speaker(tmp_path: Path) -> None:
    touch(tmp_path / "ann", "x.wav", "y.FLAC", "z.mp3")
    (tmp_path / "ann" / "x.txt").write_text("one\n")
    (tmp_path / "ann" / "y.txt").write_text("two")
    listed, missing = told_recordings(tmp_path, tmp_path)
    assert [(each.file.name, each.text, each.speaker) for each in listed] == [
        ("x.wav", "one", "ann"),
        ("y.FLAC", "two", "ann"),
    ]
    assert missing == [tmp_path / "ann" / "z.mp3"]


def test_names_tell_only_where_nothing_else_does(tmp_path: Path) -> None:
    touch(tmp_path, "3_ann_0.wav", "3_ann_5.wav")
    listed, _ = told_recordings(tmp_path, tmp_path)
    assert [(each.text, each.part) for each in listed] == [("three", "test"), ("three", "train")]
    for name in ("3_ann_0.txt", "3_ann_5.txt"):
        (tmp_path / name).write_text("drei")
    listed, _ = told_recordings(tmp_path, tmp_path)
    assert {each.text for each in listed} == {"drei"}


def test_what_is_judged_by_is_the_test_part_or_all(tmp_path: Path) -> None:
    touch(tmp_path / "fsdd", "3_ann_0.wav", "3_ann_5.wav")
    listed, _ = judged_recordings(tmp_path / "fsdd", tmp_path)
    assert [each.file.name for each in listed] == ["3_ann_0.wav"]
    (tmp_path / "a.jsonl").write_text('{"path": "x.wav", "text": "one"}\n{"path": "y.wav", "text": "two"}')
    listed, _ = judged_recordings(tmp_path / "a.jsonl", tmp_path)
    assert [each.text for each in listed] == ["one", "two"]


def test_digits_need_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "one.wav")
    with pytest.raises(DataError, match="no recordings named <digit>_<speaker>_<take>"):
        told_recordings(tmp_path, tmp_path, is_fsdd=True)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "file\ttext\na.wav\tword", r"a\.tsv needs the columns path and text"),
        ("a.tsv", "path\ta\na.wav\tword", r"a\.tsv needs the columns path and text"),
        ("a.tsv", "path\ttext\tpart\na.wav\tword\tdev", "the part dev is neither train nor test"),
        ("a.tsv", b"path\ttext\na.wav\t\xff\xfe", r"a\.tsv is neither a table in UTF-8 nor a tar"),
        ("a.jsonl", '{"path": "a.wav", "text": "x"}\n{"path', r"a\.jsonl, line 2, is no JSON"),
        ("a.jsonl", "[1]", r"a\.jsonl, line 1, is no JSON object"),
        ("a.jsonl", '{"path": 3, "text": "x"}', "needs the columns path and text"),
        ("a.jsonl", '{"path": "a.wav", "text": 5}', "needs the columns path and text"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        told_recordings(tmp_path, tmp_path)
    assert len(str(caught.value).splitlines()) == 1
