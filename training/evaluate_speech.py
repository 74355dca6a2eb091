"""Scores a recogniser on recordings: WER or CER by set, its interval, the worst clips.

The sets of a data folder are folders `eval/speech_*`, each with a `manifest.tsv` (columns path, label; lang where
languages differ). Mandarin sentences, isolated words and keywords are scored apart, because they are different tasks.
The recogniser is any function from an audio file and its language to text, so that artifacts, a server or a peer are
scored alike.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.error_rate import Edits, Interval, count_edits, rate_interval, total
from training.errors import DataError
from training.normalise import NORMALISERS, Tokens

Transcribe = Callable[[Path, str], str]
Measure = Literal["wer", "cer"]
_WORST = 5
_ZH_PARTS = {"hsk_words": "speech_zh words", "keywords": "speech_zh keywords"}
_ENGLISH, _MANDARIN = "speech_en", "speech_zh sentences"


@dataclass(frozen=True)
class Clip:
    """One recording and what is said in it; `group` is the set it is scored in."""

    path: Path
    language: str
    text: str
    group: str
    is_by_characters: bool = False
    """Whether characters are counted where words would be."""

    @property
    def measure(self) -> Measure:
        """Chinese is scored by characters, everything else by words unless the clip says otherwise."""
        return "cer" if self.language == "zh" or self.is_by_characters else "wer"

    @property
    def normaliser(self) -> str:
        """Name of the normaliser that it is scored with."""
        return "chinese" if self.language == "zh" else "basic"

    def tokens(self, text: str) -> Tokens:
        """What is counted of a text."""
        words = NORMALISERS[self.normaliser](text)
        return tuple(" ".join(words)) if self.is_by_characters and self.language != "zh" else words


@dataclass(frozen=True)
class ScoredClip:
    """A clip, what was heard, and the edits between."""

    clip: Clip
    heard: str
    edits: Edits


@dataclass(frozen=True)
class GroupScore:
    """One set's figures."""

    group: str
    clips: tuple[ScoredClip, ...]

    @property
    def measure(self) -> Measure:
        """WER or CER; one set has one."""
        return self.clips[0].clip.measure

    @property
    def edits(self) -> Edits:
        """Edits of all its clips."""
        return total([scored.edits for scored in self.clips])

    @property
    def interval(self) -> Interval:
        """95 % interval of its rate, by the bootstrap over clips."""
        return rate_interval([scored.edits for scored in self.clips])

    def worst(self, count: int = _WORST) -> tuple[ScoredClip, ...]:
        """The clips with the most errors, clips without any left out."""
        wrong = [scored for scored in self.clips if scored.edits.errors]
        return tuple(sorted(wrong, key=lambda scored: (-scored.edits.errors, -scored.edits.rate))[:count])


@dataclass(frozen=True)
class SpeechReport:
    """All sets' figures, as text for people and as one object for programs."""

    groups: tuple[GroupScore, ...]
    is_own: bool = False
    """Whether they are sets of a user's own, of which each counts."""

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        for score in self.groups:
            yield from _group_lines(score)

    def as_json(self) -> Mapping[str, object]:
        """`wer` of the English set and `cer` of the Mandarin sentences (null where absent), and all sets.

        Of a user's own sets, `wer` and `cer` are over all that are scored so.
        """
        return {
            "wer": self._rate("wer", _ENGLISH),
            "cer": self._rate("cer", _MANDARIN),
            "sets": {score.group: _group_json(score) for score in self.groups},
        }

    def _rate(self, measure: Measure, group: str) -> float | None:
        counted = [
            score.edits for score in self.groups if score.measure == measure and (self.is_own or score.group == group)
        ]
        return total(counted).rate if counted else None


def evaluate_speech(
    data: Path, transcribe: Transcribe, on_clip: Callable[[ScoredClip], None] | None = None
) -> SpeechReport:
    """Transcribe and score every clip below `data`/eval; `on_clip` hears of each as it is done.

    Raises:
        DataError: there is no evaluation set, or a clip of a manifest is missing.
    """
    scored = []
    for clip in read_clips(data):
        scored.append(score_clip(clip, transcribe(clip.path, clip.language)))
        if on_clip is not None:
            on_clip(scored[-1])
    return report(scored)


def read_clips(data: Path) -> list[Clip]:
    """All clips of the sets `eval/speech_*` below `data`, in the manifests' order.

    Raises:
        DataError: there is no such set, or a clip of a manifest is missing.
    """
    manifests = _manifests(data)
    if not manifests:
        raise DataError(f"there is no eval/speech_*/manifest.tsv below {data}")
    clips = [clip for manifest in manifests for clip in _read_manifest(manifest)]
    for clip in clips:
        if not clip.path.is_file():
            raise DataError(f"{clip.path} is in the manifest but not on the disk")
    return clips


def has_sets(data: Path) -> bool:
    """Whether `read_clips` finds a set there."""
    return bool(_manifests(data))


def _manifests(data: Path) -> list[Path]:
    return sorted((data / "eval").glob("speech_*/manifest.tsv"))


def score_clip(clip: Clip, heard: str) -> ScoredClip:
    """Count the edits between a clip's text and what was heard, both normalised."""
    return ScoredClip(clip, heard, count_edits(clip.tokens(clip.text), clip.tokens(heard)))


def report(scored: Iterable[ScoredClip], *, is_own: bool = False) -> SpeechReport:
    """Gather scored clips into sets, in the order in which they come."""
    groups: dict[str, list[ScoredClip]] = {}
    for item in scored:
        groups.setdefault(item.clip.group, []).append(item)
    return SpeechReport(tuple(GroupScore(group, tuple(clips)) for group, clips in groups.items()), is_own)


def _read_manifest(manifest: Path) -> Iterator[Clip]:
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield _clip(manifest.parent, row)


def _clip(folder: Path, row: Mapping[str, str]) -> Clip:
    language = row.get("lang") or folder.name.removeprefix("speech_")
    return Clip(folder / row["path"], language, row["label"], _group(folder.name, row["path"], language))


def _group(name: str, path: str, language: str) -> str:
    if name == "speech_zh":
        return _ZH_PARTS.get(path.split("/", maxsplit=1)[0], _MANDARIN)
    return name if name == f"speech_{language}" else f"{name} {language}"


def _group_lines(score: GroupScore) -> Iterator[str]:
    edits, (low, high) = score.edits, score.interval
    yield (
        f"{score.group}: {score.measure.upper()} {edits.rate:.1%} [{low:.1%}, {high:.1%}] "
        f"over {len(score.clips)} clips, "
        f"{edits.errors} errors in {edits.reference} ({edits.substitutions} substituted, {edits.deletions} missing, "
        f"{edits.insertions} added), normaliser {score.clips[0].clip.normaliser}"
    )
    for item in score.worst():
        yield f"  {item.edits.errors} of {item.edits.reference}  {item.clip.path.name}"
        yield f"    said:  {item.clip.text}"
        yield f"    heard: {item.heard}"


def _group_json(score: GroupScore) -> Mapping[str, object]:
    worst: Sequence[Mapping[str, object]] = [
        {"clip": item.clip.path.name, "errors": item.edits.errors, "tokens": item.edits.reference}
        for item in score.worst()
    ]
    return {
        score.measure: score.edits.rate,
        "interval": list(score.interval),
        "clips": len(score.clips),
        "normaliser": score.clips[0].clip.normaliser,
        "worst": worst,
    }
