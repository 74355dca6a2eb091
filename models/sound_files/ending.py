"""Did a recording end early? Judged once it is decoded, by its container's sizes and by its last packets.

Bytes behind the end (a newline, tags, padding) are no sound and say nothing, so what fails to decode counts only
where sizes say nothing either.
"""

from __future__ import annotations

import os
from typing import IO

import av

from models.sound_files.wholeness import Wholeness, mpeg_frame_bytes

# Players leave out the encoder's delay and padding, of up to three frames; FLAC has none.
_TOLERANCE_S = {"flac": 0.002, "mp3": 0.15}
# Frames that stand for themselves begin with a mark: what has none is no sound.
_FRAMES_ALONE = ("aac", "flac", "mp3")
# Where the next frame or page is searched for, the search ends in what is none.
_SEARCHED = (*_FRAMES_ALONE, "mpegts", "ogg")


class Ending:
    """What was seen of the end of one recording."""

    def __init__(self) -> None:
        self.is_broken = False
        """The container broke off while it was read."""
        self._last: av.Packet[av.AudioStream] | None = None
        self._has_failed = False

    def decoded(self, packet: av.Packet[av.AudioStream]) -> None:
        """A packet gave sound."""
        self._last, self._has_failed = packet, False

    def failed(self, packet: av.Packet[av.AudioStream]) -> None:
        """A packet could not be decoded."""
        if packet.size and (_container(packet.stream) not in _FRAMES_ALONE or self._is_frame(packet)):
            self._last, self._has_failed = packet, True

    def is_cut(self, file: IO[bytes], stream: av.AudioStream, whole: Wholeness, heard_s: float) -> bool:
        """Whether sound is missing, now that `heard_s` seconds were decoded."""
        container = _container(stream)
        missing_s = (_seconds(stream) or 0.0) - heard_s
        if container == "flac" and _seconds(stream) is not None:  # it counts its samples
            return missing_s > _TOLERANCE_S[container]
        if container == "mp3" and whole is Wholeness.CUT:  # its bytes are said beside its frames, and with less care
            return missing_s > _TOLERANCE_S[container] or self._ends_in_a_frame()
        if whole is Wholeness.CUT or _lacks_samples(file, stream) or (self.is_broken and container not in _SEARCHED):
            return True
        return whole is Wholeness.UNKNOWN and (self._has_failed or self._ends_in_a_frame())

    def _is_frame(self, packet: av.Packet[av.AudioStream]) -> bool:
        """Whether it begins as the frame before it did."""
        return self._last is not None and _mark(packet) == _mark(self._last)

    def _ends_in_a_frame(self) -> bool:
        if self._last is None or not self._last.stream.codec_context.name.startswith(("mp3", "mp2", "mp1")):
            return False
        frame_bytes = mpeg_frame_bytes(bytes(memoryview(self._last)[:4]))
        return frame_bytes is not None and self._last.size < frame_bytes


def _container(stream: av.AudioStream) -> str:
    return stream.container.format.name


def _mark(packet: av.Packet[av.AudioStream]) -> bytes:
    return bytes(memoryview(packet)[:2])


def _seconds(stream: av.AudioStream) -> float | None:
    """How long the stream says that it is."""
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def _lacks_samples(file: IO[bytes], stream: av.AudioStream) -> bool:
    """Whether the table of an MP4 names a sample that lies behind the end of the file."""
    entries = stream.index_entries
    if not stream.container.format.name.startswith("mov") or not len(entries):
        return False
    last = entries[len(entries) - 1]
    return bool(last.pos + last.size > file.seek(0, os.SEEK_END))
