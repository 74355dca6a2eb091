"""Recordings with transcripts to train on: decoded, and divided into what is learnt from and what is judged by.

What has no transcript or cannot be decoded is named and left out. Sound is decoded once to 16 kHz, as the service
does it, into a file of the cache that is mapped into memory. A speaker, where speakers are known, stays on one side
of every division, unless the data divide themselves.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.sound_files.decoding import READING, Decoding
from models.sound_files.resample import SPEECH_RATE_HZ
from models.sound_files.unread import EmptySound, UnreadSound
from training.data.cached import cached
from training.data.decoded import left_out, listing_key
from training.data.split import Indices, grouped_split
from training.data.transcripts import Listed, told_recordings
from training.errors import DataError

MIN_RECORDINGS = 20
_SOUND, _INDEX = "sound.s16", "index.json"
_LEVELS = 32767
_CHUNK = 128
_SEED = 20261125
SplitBy = Literal["speaker", "content"]


@dataclass(frozen=True)
class Recordings:
    """Recordings in memory (or mapped into it), with what is said in each."""

    sound: NDArray[np.int16]
    """All of them, one behind the other, at 16 kHz."""
    spans: tuple[tuple[int, int], ...]
    """Where each begins and ends."""
    listed: tuple[Listed, ...]
    contents: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.listed)

    def audio(self, index: int) -> NDArray[np.float32]:
        """One of them, float32 `[n]` within −1…1."""
        begin, end = self.spans[index]
        return np.asarray(self.sound[begin:end], np.float32) / np.float32(_LEVELS)

    def seconds(self, index: int) -> float:
        """Length of one of them."""
        begin, end = self.spans[index]
        return (end - begin) / SPEECH_RATE_HZ

    def taken(self, indices: Indices) -> Recordings:
        """Some of them."""
        kept = indices.tolist()
        return replace(
            self,
            spans=tuple(self.spans[each] for each in kept),
            listed=tuple(self.listed[each] for each in kept),
            contents=tuple(self.contents[each] for each in kept),
        )


@dataclass(frozen=True)
class SpeechData:
    """A whole data set: what is learnt from, what is judged by, and what was left out."""

    train: Recordings
    test: Recordings
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of both parts' contents and texts."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            digest.update("".join(part.contents).encode())
            digest.update("\n".join(each.text for each in part.listed).encode())
        return digest.hexdigest()[:8]


def read_recordings(
    root: Path,
    *,
    is_fsdd: bool,
    test_fraction: float,
    max_clip_s: float,
    cache: Path,
    test_speaker: str | None = None,
) -> SpeechData:
    """The recordings of a folder, a table or a tar.

    Raises:
        DataError: there is nothing there, no transcripts, too few, or not the speaker that is to be the test part.
    """
    listed, missing = told_recordings(root, cache, is_fsdd=is_fsdd)
    if test_speaker is not None:
        listed = _judged_by(test_speaker, listed)
    notes = [f"{file} was left out: it has no transcript" for file in missing]
    found, broken = _decoded(listed, cache)
    notes += [f"{file} was left out: {reason}" for file, reason in broken]
    short = np.array([i for i in range(len(found)) if found.seconds(i) <= max_clip_s], np.int64)
    for index in sorted(set(range(len(found))) - set(short.tolist())):
        notes.append(f"{found.listed[index].file} was left out: it is longer than {max_clip_s:g} s")
    return _parts(root, found.taken(short), test_fraction, tuple(notes))


def _judged_by(speaker: str, listed: Sequence[Listed]) -> list[Listed]:
    """One speaker as the test part, and all others to learn from."""
    known = sorted({each.speaker for each in listed if each.speaker})
    if speaker not in known:
        raise DataError(
            f"data.test_speaker: nobody is called {speaker}, only {', '.join(known) or 'nobody is named'}"
        )
    return [replace(each, part="test" if each.speaker == speaker else "train") for each in listed]


def _parts(root: Path, found: Recordings, test_fraction: float, notes: tuple[str, ...]) -> SpeechData:
    if len(found) < MIN_RECORDINGS:
        raise DataError(
            f"{root} holds only {len(found)} recordings to learn from: at least {MIN_RECORDINGS} are needed"
            f"{left_out(notes)}"
        )
    parts = np.array([each.part for each in found.listed])
    if (parts == "test").any():
        kept, held = np.flatnonzero(parts != "test"), np.flatnonzero(parts == "test")
    else:
        kept, held = divided(found, "speaker", test_fraction, _SEED)
    test = found.taken(held)
    judged = set(test.contents)
    fresh = np.array([index for index in kept.tolist() if found.contents[index] not in judged], np.int64)
    if twins := len(kept) - len(fresh):
        notes = (*notes, f"{twins} training recordings are in the test part too and were left out")
    if not len(test):
        raise DataError(f"no recording of {root} can be held out to judge by: set data.test higher")
    return SpeechData(found.taken(fresh), test, notes)


def divided(found: Recordings, by: SplitBy, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """What is kept and what is held out; texts that come often are divided evenly."""
    has_speakers = by == "speaker" and len({each.speaker for each in found.listed}) > 1
    groups = _speakers(found) if has_speakers else list(found.contents)
    texts = [each.text for each in found.listed]
    is_closed = len(set(texts)) * 10 <= len(texts) and not has_speakers
    return grouped_split(groups, texts if is_closed else [""] * len(texts), fraction, seed)


def _speakers(found: Recordings) -> list[str]:
    """The speaker of each recording; two who are said to speak in the same recording count as one."""
    first: dict[str, str] = {}
    root: dict[str, str] = {}

    def of(speaker: str) -> str:
        while (above := root.get(speaker, speaker)) != speaker:
            speaker = above
        return speaker

    for listed, content in zip(found.listed, found.contents, strict=True):
        root[of(listed.speaker)] = of(first.setdefault(content, listed.speaker))
    return [of(each.speaker) for each in found.listed]


def _decoded(listed: Sequence[Listed], cache: Path) -> tuple[Recordings, list[tuple[Path, str]]]:
    files = [each.file for each in listed]
    folder = cached(
        cache / "decoded" / listing_key(files, f"sound {READING}"), lambda scratch: _write(scratch, files)
    )
    index = json.loads((folder / _INDEX).read_text("utf-8"))
    recordings = Recordings(
        sound=_mapped(folder / _SOUND),
        spans=tuple((begin, end) for begin, end in index["spans"]),
        listed=tuple(listed[place] for place in index["places"]),
        contents=tuple(index["contents"]),
    )
    return recordings, [(files[place], reason) for place, reason in index["broken"]]


def _write(folder: Path, files: Sequence[Path]) -> None:
    index: dict[str, list[object]] = {"places": [], "spans": [], "contents": [], "broken": []}
    length = 0
    with (folder / _SOUND).open("wb") as sound:
        for place, (audio, content) in enumerate(_outcomes(files)):
            if isinstance(audio, str):
                index["broken"].append((place, audio))
                continue
            sound.write(audio.tobytes())
            index["places"].append(place)
            index["spans"].append((length, length + len(audio)))
            index["contents"].append(content)
            length += len(audio)
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")


def _mapped(path: Path) -> NDArray[np.int16]:
    return np.asarray(np.memmap(path, np.int16, "r")) if path.stat().st_size else np.zeros(0, np.int16)


def _outcomes(files: Sequence[Path]) -> Iterator[tuple[NDArray[np.int16] | str, str]]:
    bar = tqdm(total=len(files), unit="recording", desc="reading", leave=False, disable=None)
    with ThreadPoolExecutor(os.cpu_count()) as threads, bar:
        for start in range(0, len(files), _CHUNK):
            for outcome in threads.map(_sound_of, files[start : start + _CHUNK]):
                bar.update()
                yield outcome


def _sound_of(file: Path) -> tuple[NDArray[np.int16] | str, str]:
    """Int16 at 16 kHz with a hash of the file, or why there is none."""
    try:
        content = hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
        with file.open("rb") as opened:
            audio = np.concatenate(list(Decoding(opened, math.inf)))
    except FileNotFoundError:
        return "it is not there", ""
    except EmptySound:
        return "it is empty", ""
    except (UnreadSound, OSError):
        return "it cannot be decoded", ""
    return np.rint(np.clip(audio, -1, 1) * _LEVELS).astype(np.int16), content
