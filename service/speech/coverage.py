"""How much of what was heard in a window its text covers, and what is to be read again.

Recognisers pass over what was said: they stop at the end of a sentence, or stretch its text over the next one. The
voice detector knows how much was said where, so no more than a second of it is left without a text that may hold it.
Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.speech.pace import usual_s
from service.speech.segment import Window
from service.speech.whisper import Passage

UNREAD_S = 1.0
"""Heard speech without text: less is not read again, since times and spans are right to some tenths of a second."""
_SPARSE_S, _MIN_TOKENS_PER_S = 5.0, 1.5  # so much speech with so little text was passed over: people speak 2.5 to 5
_MIN_ADVANCE_S = 0.5  # a reading that reaches less far is not gone on from


def is_sparse(passages: Sequence[Passage], window: Window) -> bool:
    """Whether some passage has far too little text for its speech."""
    heard = [(passage, window.between(passage.start_s, passage.end_s).speech_s) for passage in passages]
    return any(s >= _SPARSE_S and len(passage.tokens) < _MIN_TOKENS_PER_S * s for passage, s in heard)


def passes_over(passages: Sequence[Passage], window: Window) -> bool:
    """Whether some passage goes on over a pause, and its text takes a second less than what was heard around it.

    Of 283 readings without a fault none does; slow speech and numbers have no pause or take longer.
    """
    parts = [(passage, window.between(passage.start_s, passage.end_s)) for passage in passages]
    return any(len(part.speech) > 1 and part.speech_s - usual_s(passage.text) > UNREAD_S for passage, part in parts)


def unread(before: Passage | None, until_s: float, window: Window) -> Window | None:
    """What was heard between a passage, or the window's beginning, and a time; None where it is a second or less.

    It begins in a pause where one is near, because the times of a passage in front of something that was passed over
    are the least certain.
    """
    begin_s = before.end_s if before else 0.0
    pause_s = window.gap_at(begin_s, UNREAD_S)
    if before and pause_s > before.start_s:
        begin_s = pause_s
    part = window.between(begin_s, until_s) if until_s > begin_s else None
    return part if part and part.speech_s > UNREAD_S else None


def rest(passages: Sequence[Passage], reached: tuple[float | None, bool], window: Window) -> Window | None:
    """What is to be read behind the last time that was written.

    `reached` is that time, None where none was written, and whether the model said that more follows.
    """
    ended_s, says_more = reached
    if ended_s is None or ended_s < _MIN_ADVANCE_S:
        return None
    if not says_more:
        return unread(passages[-1], window.duration_s, window)
    following = window.behind(ended_s)
    return following if following.speech_s > UNREAD_S else None
