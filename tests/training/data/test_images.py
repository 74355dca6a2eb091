"""Pictures from folders, tables and tars; parts that do not leak; what is broken or too little, in words."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.manifest import ImagePreprocessing
from training.data.images import ImageData, digits, read_images
from training.errors import DataError

CLASSES = ("cat", "dog")


def write_pictures(folder: Path, count: int, first: int = 0, side_px: int = 10) -> list[Path]:
    """Pictures of which no two are alike, for all folders with different `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
        made.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(made[-1])
    return made


def write_classes(root: Path, count: int = 15, classes: Sequence[str] = CLASSES, first: int = 0) -> None:
    for place, name in enumerate(classes):
        write_pictures(root / name, count, first + 1000 * place)


def read(root: Path, size_px: int = 8, test_fraction: float = 0.2) -> ImageData:
    return read_images(root, size_px, test_fraction, root.parent / "cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def test_a_folder_for_each_class(root: Path) -> None:
    write_classes(root)
    found = read(root)
    assert (found.classes, found.notes) == (CLASSES, ())
    assert (len(found.train), len(found.test)) == (24, 6)
    assert np.bincount(found.test.class_ids).tolist() == [3, 3]
    assert not set(found.train.contents) & set(found.test.contents)
    for part in (found.train, found.test):
        for index, file in enumerate(part.files):
            assert CLASSES[part.class_ids[index]] == file.parent.name
            with Image.open(file) as image:
                wanted = np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR), np.int64)
            assert np.abs(part.pixels(index) - wanted).mean() < 40


def test_parts_that_the_data_have_are_taken(root: Path) -> None:
    write_classes(root / "train", 12)
    write_classes(root / "test", 3, first=500)
    found = read(root)
    assert (len(found.train), len(found.test)) == (24, 6)
    assert all("test" in file.parts for file in found.test.files)


def test_a_table(root: Path) -> None:
    files = write_pictures(root / "all", 24)
    rows = [f"all/{file.name},{CLASSES[n % 2]},{'test' if n < 4 else 'train'}" for n, file in enumerate(files)]
    (root / "labels.csv").write_text("\ufeffpath,label,part\n" + "\n".join(rows), encoding="utf-8")
    for place in (root, root / "labels.csv"):
        found = read(place)
        assert (len(found.train), len(found.test), found.classes) == (20, 4, CLASSES)
        assert found.test.class_ids.tolist() == [0, 1, 0, 1]


def test_a_tar(root: Path, tmp_path: Path) -> None:
    write_classes(root)
    with tarfile.open(tmp_path / "pictures.tar.gz", "w:gz") as tar:
        tar.add(root, "pictures")
    packed, plain = read(tmp_path / "pictures.tar.gz"), read(root)
    assert (packed.classes, packed.fingerprint) == (plain.classes, plain.fingerprint)
    assert packed.test.squares.tolist() == plain.test.squares.tolist()


def test_broken_files_are_named_and_left_out(root: Path) -> None:
    write_classes(root)
    (root / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    (root / "dog" / "notes.txt").write_text("no picture")
    (root / "dog" / ".hidden.png").touch()
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails" / "small.png").touch()
    found = read(root)
    assert len(found.train) + len(found.test) == 30
    assert found.classes == CLASSES
    assert [note.rpartition("/")[2] for note in found.notes] == [
        "broken.jpg was left out: it cannot be read as a picture",
        "notes.txt was left out: it cannot be read as a picture",
    ]


def test_the_same_content_is_never_on_both_sides(root: Path) -> None:
    write_classes(root, 12)
    for name in CLASSES:
        for file in list((root / name).iterdir()):
            (root / name / f"copy of {file.name}").write_bytes(file.read_bytes())
    found = read(root)
    assert len(found.train) + len(found.test) == 48
    assert len(found.test) > 0
    assert not set(found.train.contents) & set(found.test.contents)


def test_training_pictures_that_are_in_the_test_part_are_left_out(root: Path) -> None:
    write_classes(root / "train", 12)
    write_classes(root / "test", 3)
    found = read(root)
    assert (len(found.train), len(found.test)) == (18, 6)
    assert found.notes == ("6 training pictures are in the test part too and were left out",)


def test_the_fingerprint_is_of_contents_and_labels(root: Path) -> None:
    write_classes(root / "train", 12)
    write_classes(root / "test", 2, first=500)
    before = read(root).fingerprint
    assert read(root).fingerprint == before
    moved = root / "train" / "cat" / "0.png"
    moved.rename(root / "train" / "dog" / "0.png")
    after = read(root).fingerprint
    assert after != before
    write_classes(root / "test", 3, first=600)
    assert read(root).fingerprint not in {before, after}, "what is judged by belongs to the data too"


def test_grey_is_noticed(root: Path) -> None:
    for place, name in enumerate(CLASSES):
        for number in range(12):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (9, 9), 10 * number + place).save(root / name / f"{number}.png")
    assert read(root).is_grey
    write_pictures(root / "cat", 12, 50)
    assert not read(root).is_grey


def test_pictures_as_they_are_served(root: Path) -> None:
    write_classes(root)
    found = read(root).test
    same = found.as_served(0, ImagePreprocessing(resize_px=8, crop_px=8))
    assert same.tolist() == found.pixels(0).tolist()
    larger = found.as_served(0, ImagePreprocessing(resize_px=10, crop_px=10))
    with Image.open(found.files[0]) as image:
        assert larger.tolist() == np.asarray(image).tolist()  # the file itself, not the square blown up


def test_digits_need_no_files() -> None:
    found = digits()
    assert (len(found.train) + len(found.test), found.classes) == (1797, tuple("0123456789"))
    assert found.is_grey
    assert 0.19 < len(found.test) / 1797 < 0.21
    assert not set(found.train.contents) & set(found.test.contents)
    assert found.train.squares.max() == 255


def test_digits_may_be_divided_in_their_order() -> None:
    """Block by block they are the whole set, and each is what lies between its neighbours."""
    parts = [digits(block) for block in range(5)]
    assert [len(each.test) for each in parts] == [360, 359, 360, 359, 359]
    contents = [content for each in parts for content in each.test.contents]
    assert len({*contents}) == 1797
    for each in parts:
        assert not set(each.train.contents) & set(each.test.contents)
        assert {*each.train.contents, *each.test.contents} == {*contents}
    assert parts[0].train.contents[0] == parts[1].test.contents[0]


def _one_class(root: Path) -> None:
    write_classes(root, 30, ("cat",))


def _three_pictures(root: Path) -> None:
    write_classes(root, 3, ("cat",))
    write_classes(root, 1, ("dog",), first=90)


def _one_of_a_class(root: Path) -> None:
    write_classes(root, 30)
    write_classes(root, 1, ("emu",), first=5000)


def _nothing(root: Path) -> None:
    root.mkdir()


def _too_many_broken(root: Path) -> None:
    write_classes(root, 8)
    for number in range(30):
        (root / "cat" / f"x{number}.png").write_bytes(b"broken")


def _small_classes(root: Path) -> None:
    write_classes(root, 2, [f"class {n}" for n in range(12)])


def _not_a_table(root: Path) -> None:
    root.write_bytes(b"PK\x03\x04\xff\xfe\x00 a zip, or what else")


def _no_header(root: Path) -> None:
    root.write_text("a.png,cat\nb.png,dog\n")


def _short_row(root: Path) -> None:
    root.write_text("path,label\na.png,cat\nb.png\n")


def _odd_part(root: Path) -> None:
    root.write_text("path,label,part\na.png,cat,valid\n")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "there is no folder, CSV or tar"),
        (_nothing, "holds no pictures: make a folder for each class"),
        (_one_class, "holds only the class cat"),
        (_three_pictures, "holds only 4 pictures to learn from: 20 are needed"),
        (_one_of_a_class, "holds 1 pictures of the class emu: at least 2 are needed"),
        (_too_many_broken, r"holds only 16 pictures .*/x0\.png was left out: it cannot .* \(and 29 more\)"),
        (_small_classes, "can be held out to judge by, its classes are too small"),
        (_not_a_table, "pictures is neither a CSV in UTF-8 nor a tar"),
        (_no_header, "needs a header with the columns path and label"),
        (_short_row, "row 2 lacks a path or a label"),
        (_odd_part, "the part valid is neither train nor test"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_sentence(root: Path, make: object, words: str) -> None:
    assert callable(make)
    make(root)
    with pytest.raises(DataError, match=words) as caught:
        read(root)
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_tar(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        entry = tarfile.TarInfo("cat/1.png")
        entry.size = 5000
        tar.addfile(entry, io.BytesIO(bytes(5000)))
    (tmp_path / "cut.tar").write_bytes(whole.getvalue()[:2000])
    with pytest.raises(DataError, match=r"cut\.tar cannot be unpacked"):
        read(tmp_path / "cut.tar")
