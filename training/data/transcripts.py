"""Which recordings there are and what is said in them: TSV, JSONL, a text beside each, or the Free Spoken Digits.

No recording is opened here. One without a transcript is named; a speaker, a part and a language are told where the
data tell them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.data.archive import unpacked
from training.errors import DataError

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff"})
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FSDD_TESTS = 5  # takes 0 to 4 of each speaker and digit are the official test part
_TEXTS = ("text", "label", "sentence")
Part = Literal["train", "test", ""]


@dataclass(frozen=True)
class Listed:
    """One recording as the data name it."""

    file: Path
    text: str
    speaker: str = ""
    part: Part = ""
    language: str = ""
    """ISO-639-1, empty where the data do not say."""


def told_recordings(root: Path, cache: Path, *, is_fsdd: bool | None = None) -> tuple[list[Listed], list[Path]]:
    """The recordings of a folder, a table or a tar with what is said in them, and those without a transcript.

    Args:
        root: the folder, table or tar.
        cache: where a tar is unpacked to.
        is_fsdd: whether names tell what is said, as those of the Free Spoken Digits; None finds out.

    Raises:
        DataError: there is nothing there, or no transcripts.
    """
    place = unpacked(root, cache)
    if not place.exists():
        raise DataError(f"there is no folder, table or tar {root}")
    by_name = _is_fsdd(place) if is_fsdd is None else is_fsdd
    return _fsdd(place) if by_name else _listed(place)


def judged_recordings(root: Path, cache: Path) -> tuple[list[Listed], list[Path]]:
    """What to judge a recogniser on: the recordings of the test part, or all where there is none; nothing is decoded.

    The second list is of recordings without a transcript.

    Raises:
        DataError: there is nothing there, or no transcripts.
    """
    listed, missing = told_recordings(root, cache)
    return [each for each in listed if each.part == "test"] or listed, missing


def _is_fsdd(place: Path) -> bool:
    """Whether names are all that tells what is said."""
    if place.is_file() or _table_of(place) is not None or not any(_fsdd_files(place)):
        return False
    said = _texts_beside(place)
    return not any(each.file.with_suffix("") in said for each in _fsdd_files(place))


def _fsdd(place: Path) -> tuple[list[Listed], list[Path]]:
    """`recordings/<digit>_<speaker>_<take>.wav`."""
    listed = list(_fsdd_files(place))
    if not listed:
        raise DataError(
            f"{place} holds no recordings named <digit>_<speaker>_<take>.wav, as the Free Spoken Digits are; "
            "others, with transcripts, are learnt from with --set data.source=recordings"
        )
    return listed, []


def _fsdd_files(place: Path) -> Iterator[Listed]:
    folder = place / "recordings" if (place / "recordings").is_dir() else place
    for file in sorted(folder.glob("*.wav")):
        digit, _, rest = file.stem.partition("_")
        speaker, _, take = rest.rpartition("_")
        if digit.isdecimal() and int(digit) < len(_DIGITS) and take.isdecimal():
            part: Part = "test" if int(take) < _FSDD_TESTS else "train"
            yield Listed(file, _DIGITS[int(digit)], speaker, part)


def _listed(place: Path) -> tuple[list[Listed], list[Path]]:
    """What a table names, or what lies in a folder with its text; and recordings without a transcript."""
    table = place if place.is_file() else _table_of(place)
    if table is not None:
        rows = [_of_row(table, row) for row in _rows(table)]
        return [each for each in rows if each.text], [each.file for each in rows if not each.text]
    files = sorted(each for each in place.rglob("*") if each.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{place} holds no recordings ({', '.join(sorted(SUFFIXES))})")
    said = _texts_beside(place)
    missing = [file for file in files if file.with_suffix("") not in said]
    if len(missing) == len(files):
        raise DataError(
            f"{place} holds recordings and no transcripts: put a .txt beside each, or a table .tsv or .jsonl with "
            "the columns path and text"
        )
    return [Listed(file, *said[file.with_suffix("")]) for file in files if file.with_suffix("") in said], missing


def _table_of(folder: Path) -> Path | None:
    return next(iter(sorted([*folder.glob("*.tsv"), *folder.glob("*.jsonl")])), None)


def _texts_beside(place: Path) -> dict[Path, tuple[str, str]]:
    """What is said and by whom: `a.txt` beside `a.wav`, the speaker's folder around them; or LibriSpeech's files.

    Those are `*.trans.txt` with a line for each recording, `<speaker>-<chapter>-<number> <text>`.
    """
    said: dict[Path, tuple[str, str]] = {}
    for file in sorted(place.rglob("*.txt")):
        words = file.read_text("utf-8-sig", "replace")
        if not file.name.endswith(".trans.txt"):
            said[file.with_suffix("")] = (words.strip(), file.parent.name if file.parent != place else "")
            continue
        for line in words.splitlines():
            name, _, text = line.partition(" ")
            said[file.parent / name] = (text.strip(), name.partition("-")[0])
    return {stem: each for stem, each in said.items() if each[0]}


def _rows(table: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if table.suffix == ".jsonl":
            yield from _json_rows(table)
            return
        with table.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table.name} is neither a table in UTF-8 nor a tar") from error


def _json_rows(table: Path) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(table.read_text("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{table.name}, line {number}, is no JSON") from error
        if not isinstance(row, dict):
            raise DataError(f"{table.name}, line {number}, is no JSON object")
        yield row


def _of_row(table: Path, row: Mapping[str, Any]) -> Listed:
    """A row's recording; its text is empty where the row has none."""
    texts = [row[column] or "" for column in _TEXTS if column in row]
    text = next((each for each in texts if each), "")
    if not texts or not all(isinstance(each, str) and each for each in (row.get("path"), text or " ")):
        raise DataError(f"{table.name} needs the columns path and text (and may have speaker and part)")
    part = row.get("part") or ""
    if part not in {"train", "test", ""}:
        raise DataError(f"{table.name}: the part {part} is neither train nor test")
    known: Part = "test" if part == "test" else "train" if part == "train" else ""
    language = row.get("language") or row.get("lang") or ""
    return Listed(table.parent / row["path"], text.strip(), str(row.get("speaker") or ""), known, language)
