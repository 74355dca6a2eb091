"""Everyday words: cat, dog and bird are exactly the classes that the class list calls so."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.postprocess import Labels
from models.store import Store
from service.settings import read_settings
from training.classes import GROUPS, read_groups
from training.errors import DataError

# Taken from the ImageNet-1k class list, in the order of its synsets: the five domestic cats; dogs from the first to
# the last breed (wolves, dingo, dhole and fox are behind them); birds, which stand in three runs.
CATS = {281: "tabby", 282: "tiger cat", 283: "Persian cat", 284: "Siamese cat", 285: "Egyptian cat"}
DOGS = {*range(151, 269)}
BIRDS = {*range(7, 25), *range(80, 101), *range(127, 147)}
# The names at both ends of each run, and right outside of it.
NAMES = CATS | {
    7: "cock", 24: "great grey owl", 25: "European fire salamander", 79: "centipede", 80: "black grouse",
    100: "black swan", 101: "tusker", 126: "isopod", 127: "white stork", 146: "albatross", 147: "grey whale",
    150: "sea lion", 151: "Chihuahua", 268: "Mexican hairless", 269: "timber wolf", 280: "grey fox", 286: "cougar",
}  # fmt: skip


@pytest.mark.parametrize(("group", "class_ids"), [("cat", {*CATS}), ("dog", DOGS), ("bird", BIRDS)])
def test_a_group_is_its_run_of_classes(group: str, class_ids: set[int]) -> None:
    assert {class_id for class_id, found in read_groups(GROUPS, 1000).items() if found == group} == class_ids


WITHOUT = {583}  # the guillotine: no everyday word covers it
SPOT = {
    "vehicle": {407: "ambulance", 561: "forklift", 833: "submarine", 405: "airship", 802: "snowmobile"},
    "food": {963: "pizza", 928: "ice cream", 934: "hotdog", 965: "burrito"},
    "television": {851: "television"},
    "toy": {850: "teddy", 611: "jigsaw puzzle"},
    "animal": {334: "porcupine", 105: "koala", 340: "zebra", 360: "otter", 71: "scorpion"},
    "building": {442: "bell cote", 762: "restaurant", 900: "water tower", 624: "library"},
    "furniture": {453: "bookcase", 703: "park bench"},
    "plant": {958: "hay", 989: "hip"},
    "tool": {696: "paintbrush", 621: "lawn mower", 587: "hammer"},
    "clothes": {443: "bib", 529: "diaper", 610: "jersey"},
    "musical instrument": {714: "pick", 889: "violin"},
    "wild dog": {272: "coyote", 273: "dingo"},
    "seashell": {112: "conch"},
    "snail": {113: "snail"},
    "wolf": {269: "timber wolf", 270: "white wolf", 271: "red wolf"},
    "teapot": {849: "teapot"},
    "kitchenware": {505: "coffeepot", 923: "plate"},
    "helmet": {715: "pickelhaube"},
}


def test_every_class_has_a_group() -> None:
    assert set(range(1000)) - read_groups(GROUPS, 1000).keys() == WITHOUT


@pytest.mark.parametrize("group", SPOT)
def test_classes_are_where_people_look_for_them(group: str) -> None:
    groups = read_groups(GROUPS, 1000)
    assert {class_id: groups[class_id] for class_id in SPOT[group]} == dict.fromkeys(SPOT[group], group)


def test_the_classes_of_these_checks_are_what_they_are_called() -> None:
    labels = published_labels()
    wrong = {i: labels[i] for named in SPOT.values() for i, name in named.items() if labels[i] != name}
    assert not wrong


def published_labels() -> list[str]:
    """Of the class list, as an artifact has them."""
    store = Store(read_settings().artifacts)
    if not store.versions("efficientnet-lite0"):
        pytest.skip("not exported yet: efficientnet-lite0; run `make models`")
    artifact = store.find("efficientnet-lite0")
    assert artifact.manifest.labels is not None
    return [each.label for each in Labels.read(artifact.path(artifact.manifest.labels)).classes]


def test_published_labels_carry_names_and_groups() -> None:
    store = Store(read_settings().artifacts)
    if not store.versions("efficientnet-lite0"):
        pytest.skip("not exported yet: efficientnet-lite0; run `make models`")
    artifact = store.find("efficientnet-lite0")
    assert artifact.manifest.labels is not None
    classes = Labels.read(artifact.path(artifact.manifest.labels)).classes
    assert {class_id: classes[class_id].label for class_id in NAMES} == NAMES
    groups = read_groups(GROUPS, 1000)
    assert [each.group for each in classes] == [groups.get(class_id) for class_id in range(1000)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a = [1]\nb = ["0-3"]', "two groups"),
        ("a = [10]", "none of the 10"),
        ('a = ["3-1"]', "neither"),
        ('a = ["x"]', "neither"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "groups.toml"
    path.write_text(f"[groups]\n{text}", "utf-8")
    with pytest.raises(DataError, match=words):
        read_groups(path, 10)
