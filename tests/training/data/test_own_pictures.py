"""A user's own pictures: classes by the model's labels, the test part where there is one, what is broken left out."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.manifest import ImagePreprocessing
from models.postprocess import Label, Labels
from training.data.own_pictures import class_ids_of, read_own_pictures
from training.errors import DataError, UsageError

LABELS = Labels(tuple(Label(name, None) for name in ("tabby", "Great grey owl", "crane", "crane", "test")))
SPEC = ImagePreprocessing(resize_px=10, crop_px=8)


def save(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (level, level, level)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        save(tmp_path / "mine" / "tabby" / f"{number}.png", number)
    save(tmp_path / "mine" / "great_grey-owl" / "deep" / "a.png", 9)
    return tmp_path / "mine"


def read(root: Path) -> list[tuple[str, int]]:
    """What a model would be shown: name of the file and class id."""
    found = read_own_pictures(root, LABELS, "m@1", root.parent / "cache")
    batches = list(found.batches(SPEC, size=2))
    assert sum(len(class_ids) for _, class_ids in batches) == len(found) - len(found.left_out)
    assert all(pixels.shape[1:] == (8, 8, 3) for pixels, _ in batches)
    return [(file.name, int(class_id)) for file, class_id in zip(found.files, found.class_ids, strict=True)]


def test_a_folder_for_each_class(folder: Path) -> None:
    assert read(folder) == [("a.png", 1), ("0.png", 0), ("1.png", 0), ("2.png", 0)]
    assert read_own_pictures(folder, LABELS, "m@1", folder).name == "mine"


@pytest.mark.parametrize("has_train", [True, False])
def test_the_test_part_where_there_is_one(tmp_path: Path, has_train: bool) -> None:
    save(tmp_path / "mine" / "test" / "tabby" / "held.png")
    if has_train:
        save(tmp_path / "mine" / "train" / "tabby" / "learnt.png")
        save(tmp_path / "mine" / "train" / "unknown to the model" / "learnt.png")
    assert read(tmp_path / "mine") == [("held.png", 0)]
    assert read_own_pictures(tmp_path / "mine", LABELS, "m@1", tmp_path).name == "test part of mine"


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "test" / "a.png")
    save(tmp_path / "mine" / "tabby" / "b.png")
    assert read(tmp_path / "mine") == [("b.png", 0), ("a.png", 4)]


def test_a_table_and_its_test_part(folder: Path) -> None:
    table = folder / "labels.csv"
    table.write_text("path,label,part\ntabby/0.png,tabby,train\ntabby/1.png,TABBY,test\n", encoding="utf-8")
    assert read(folder) == read(table) == [("1.png", 0)]


def test_a_tar(folder: Path) -> None:
    with tarfile.open(folder.parent / "mine.tar.gz", "w:gz") as tar:
        tar.add(folder, "mine")
    assert read(folder.parent / "mine.tar.gz") == read(folder)


def test_what_cannot_be_read_is_left_out_and_named(folder: Path) -> None:
    broken = folder / "tabby" / "1.png"
    broken.write_bytes(b"no picture")
    found = read_own_pictures(folder, LABELS, "m@1", folder)
    for _ in range(2):  # and named once, however often they are read
        shown = [level for pixels, _ in found.batches(SPEC, size=3) for level in pixels[:, 0, 0, 0].tolist()]
        assert shown == [9, 0, 2]
        assert found.left_out == [broken]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["tabby", "lorry"], "lorry is no label of m@1, which knows tabby, Great grey owl, crane"),
        (["a", "b"], "a, b are no label of"),
        ([str(number) for number in range(20)], "and 12 more are no label of"),
        (["crane"], "crane is the label of 2 classes"),
    ],
)
def test_classes_that_do_not_match_are_said(names: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        class_ids_of(names, LABELS, "m@1")


def test_the_exact_name_goes_before_the_similar_one() -> None:
    labels = Labels((Label("polish", None), Label("Polish", None)))
    assert class_ids_of(["Polish", "polish"], labels, "m@1") == {"Polish": 1, "polish": 0}


@given(st.lists(st.sampled_from(" _-"), min_size=2, max_size=2), st.lists(st.booleans(), min_size=14, max_size=14))
def test_case_and_gaps_do_not_matter(gaps: list[str], is_upper: list[bool]) -> None:
    plain = gaps[0].join(("great", gaps[1].join(("grey", "owl"))))
    name = "".join(each.upper() if up else each for each, up in zip(plain, is_upper, strict=True))
    assert class_ids_of([name], LABELS, "m@1") == {name: 1}


def test_nothing_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match="no folder, CSV or tar"):
        read(tmp_path / "nowhere")
