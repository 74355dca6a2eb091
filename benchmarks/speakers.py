"""Who speaks in an evaluation clip, as far as its name tells: errors of one voice hang together.

AISHELL-1 and -3, LibriSpeech and LJSpeech name the speaker in the file's name. Any other recording counts as a
speaker of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from training.error_rate import Edits, total

_NAMED = tuple(
    re.compile(each) for each in (r"BAC009(S\d{4})W", r"(SSB\d{4})\d{4}$", r"^(\d+)-\d+-\d+$", r"^(LJ)\d{3}-")
)


def speaker_of(clip: Path) -> str:
    """The speaker's name in the corpus, or the file's own name."""
    found = (each.search(clip.stem) for each in _NAMED)
    return next((match[1] for match in found if match), clip.stem)


def by_speaker(clips: Sequence[tuple[Path, Edits]]) -> list[Edits]:
    """The edits of each speaker's clips together, in the order in which they first speak."""
    spoken: dict[str, list[Edits]] = {}
    for clip, edits in clips:
        spoken.setdefault(speaker_of(clip), []).append(edits)
    return [total(each) for each in spoken.values()]
