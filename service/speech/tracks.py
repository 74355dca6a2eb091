"""Which sound track of a film is read: the first in which the voice detector hears somebody speak.

Films have their music, their silence or another language on tracks of their own, in any order. It does not know what
is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from models.sound_files.decoding import Decoding
from models.sound_files.resample import SPEECH_RATE_HZ, Samples
from models.sound_files.unread import UnreadSound
from service.runner import Runner
from service.speech.segment import segment

_ENOUGH_S = 1.0  # of speech: music is taken for some now and then
_MAX_EACH_S, _MAX_ALL_S = 300.0, 900.0  # what is listened to
_MAX_TRACKS = 16


def first_spoken(
    file: IO[bytes], voice: Runner, stop_if_unwanted: Callable[[], None], are_readable: Sequence[bool]
) -> int | None:
    """Number, from 1, of the first track with speech; None where none has any, or only one can be read.

    Args:
        file: seekable, and read by nobody else meanwhile.
        voice: Silero's sequence graph (see `service.speech.voice`).
        stop_if_unwanted: called between packets; what it raises ends the work.
        are_readable: of each track, whether its codec is read.
    """
    numbers = [number for number, is_readable in enumerate(are_readable, 1) if is_readable][:_MAX_TRACKS]
    if len(numbers) < 2:
        return None
    longest_s = min(_MAX_EACH_S, _MAX_ALL_S / len(numbers))
    most_s, best = 0.0, None
    for number in numbers:
        speech_s = _speech_s(Decoding(file, math.inf, stop_if_unwanted, number), voice, longest_s)
        if speech_s >= _ENOUGH_S:
            return number
        if speech_s > most_s:
            most_s, best = speech_s, number
    return best


def _speech_s(track: Iterable[Samples], voice: Runner, longest_s: float) -> float:
    """Seconds of speech in the beginning of a track, counted until they are enough."""
    heard_s = 0.0
    try:
        for window in segment(_beginning(track, longest_s), voice):
            heard_s += window.speech_s
            if heard_s >= _ENOUGH_S:
                break
    except UnreadSound:
        pass
    return heard_s


def _beginning(blocks: Iterable[Samples], longest_s: float) -> Iterator[Samples]:
    left = round(longest_s * SPEECH_RATE_HZ)
    for block in blocks:
        yield block
        left -= len(block)
        if left <= 0:
            return
