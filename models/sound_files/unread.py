"""Why a sound file, or a part of it, is not read. The reasons are meant for whoever sent the file."""

from __future__ import annotations


class UnreadSound(Exception):
    """Root of the tree; `reason` says what is wrong and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownSound(UnreadSound):
    """No format that is read here, or a codec that is not."""


class DamagedSound(UnreadSound):
    """A format that is read, of which nothing can be had."""


class EmptySound(DamagedSound):
    """A format that is read, with no sound in it."""


class NoSound(UnreadSound):
    """A container without a sound track."""


class NoSuchTrack(UnreadSound):
    """There are fewer sound tracks than the number that was asked for."""


class SoundTooLong(UnreadSound):
    """More seconds than may be decoded."""
