"""Names of classes: the ImageNet list as it is published, and the everyday word for each class that has one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import models
from models.postprocess import Label, Labels
from training.errors import DataError
from training.sources import Wheel

GROUPS = Path(models.__file__).parent / "groups.toml"

_TIMM = ("timm", "1.0.31", "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7")
SYNSETS = Wheel(*_TIMM, "timm/data/_info/imagenet_synsets.txt")
LEMMAS = Wheel(*_TIMM, "timm/data/_info/imagenet_synset_to_lemma.txt")


def imagenet_labels(cache: Path) -> Labels:
    """The 1,000 classes of ImageNet-1k in their order, named by the first lemma of each synset, with groups.

    Raises:
        SourceError: the class list cannot be had.
    """
    lemmas = dict(line.split("\t", 1) for line in LEMMAS.read(cache).decode("utf-8").splitlines() if line)
    names = [lemmas[synset].split(",")[0].strip() for synset in SYNSETS.read(cache).decode("utf-8").split()]
    groups = read_groups(GROUPS, len(names))
    return Labels(tuple(Label(name, groups.get(i)) for i, name in enumerate(names)))


def everyday_labels(classes: tuple[str, ...]) -> Labels:
    """Classes of a data set's own; one whose name is an everyday word that we know is a group of itself."""
    words = set(tomllib.loads(GROUPS.read_text("utf-8"))["groups"])
    return Labels(tuple(Label(name, name if name in words else None) for name in classes))


def read_groups(path: Path, classes: int) -> dict[int, str]:
    """The group of each class id that has one, from a table of `group = [id, "first-last", …]`.

    Raises:
        DataError: an id stands twice, lies outside of the classes, or is not written as a number or a range.
    """
    table = tomllib.loads(path.read_text("utf-8"))
    return _by_class(table["groups"], classes)


def _by_class(table: Mapping[str, list[int | str]], classes: int) -> dict[int, str]:
    groups: dict[int, str] = {}
    for group, entries in table.items():
        for class_id in (each for entry in entries for each in _ids(group, entry)):
            if class_id in groups:
                raise DataError(f"class {class_id} is in two groups, {groups[class_id]} and {group}")
            if not 0 <= class_id < classes:
                raise DataError(f"class {class_id} of the group {group} is none of the {classes} classes")
            groups[class_id] = group
    return groups


def _ids(group: str, entry: int | str) -> range:
    if isinstance(entry, int):
        return range(entry, entry + 1)
    first, dash, last = entry.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise DataError(f"{entry!r} of the group {group} is neither a class id nor a range such as 281-285")
    return range(int(first), int(last) + 1)
