"""From the bytes of a media file to mono float32 at 16 kHz, block by block, in bounded memory; for both halves.

Whatever can be decoded is given; a file that ends early is given up to there and marked truncated. Gaps between
timestamps become silence, so that times in the result are times in the medium. libav's own trimming of encoder
delay is kept. It does not know speech: windows and words come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import av
import numpy as np
from av.container import InputContainer

from models.sound_files.containers import is_readable, open_container, pick_stream, refusal
from models.sound_files.ending import Ending
from models.sound_files.mixdown import Mixdown
from models.sound_files.resample import SPEECH_RATE_HZ, Samples, SpeechResampler
from models.sound_files.unread import DamagedSound, EmptySound, SoundTooLong
from models.sound_files.wholeness import Wholeness, wholeness

READING = 2
"""Raised whenever the same file gives other samples than before, so that nobody keeps what was read until then."""
_RATES_HZ = range(2_000, 768_001)  # below is no speech, above no recorder
_HEAD_BYTES = 16
_GAP_TOLERANCE_S = 0.1  # containers round timestamps; a shorter gap is none
_MAX_GAP_S = 600.0  # a longer jump is a broken timestamp
_MAX_REWIND_S = 1.0  # further back means that the timestamps begin anew
_MAX_BARREN_PACKETS = 2_000  # in a row without a sample: a table that lies about their number
_SILENCE_BLOCK_S = 1.0
_AV_TIME_BASE = 1_000_000


@dataclass(frozen=True)
class Decoded:
    """What a file turned out to hold. `duration_s` counts what was given out, filled gaps included."""

    duration_s: float
    truncated: bool
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    tracks: int
    """How many sound tracks the file has."""


ChooseTrack = Callable[[Sequence[bool]], int | None]
"""Is told of each sound track whether its codec is read; gives its number, from 1, or None for the default one."""


def _go_on() -> None:
    pass


def take_default(_: Sequence[bool]) -> int | None:
    """Let the file say which track is read."""
    return None


class Decoding:
    """One pass over one file: iterate for the blocks, then ask for `result`. For one thread, once."""

    def __init__(
        self,
        file: IO[bytes],
        max_s: float,
        stop_if_unwanted: Callable[[], None] = _go_on,
        track: int | None = None,
        choose: ChooseTrack = take_default,
    ) -> None:
        """Nothing happens before the first block is asked for.

        Args:
            file: seekable, and read by nobody else meanwhile.
            max_s: how many seconds may be decoded.
            stop_if_unwanted: called between packets; what it raises ends the work.
            track: number of the sound track, from 1.
            choose: asked for a number where none is given and the file has several; it may read the file.
        """
        self._file = file
        self._max_s = max_s
        self._stop_if_unwanted = stop_if_unwanted
        self._track = track
        self._choose = choose
        self._result: Decoded | None = None
        self._heard_s = 0.0  # time of the medium that was decoded
        self._origin_s: float | None = None  # timestamp at which the medium begins
        self._ending = Ending()
        self._given = 0
        self._mixdown = Mixdown()
        self._resampler = SpeechResampler()

    @property
    def result(self) -> Decoded:
        """What the file held; known once every block has been taken."""
        if self._result is None:
            raise RuntimeError("the result is known only after the last block")
        return self._result

    def __iter__(self) -> Iterator[Samples]:
        """Blocks of float32 at 16 kHz, `[n]` with n up to some seconds' worth, never empty.

        Raises:
            UnknownSound: no audio format that is read here.
            NoSound: a container without sound.
            NoSuchTrack: it has fewer sound tracks.
            DamagedSound: a known format of which nothing could be decoded (EmptySound: with no sound in it, 0 s).
            SoundTooLong: as soon as more seconds than the limit are decoded, or sizes that hold true promise more.
        """
        whole = wholeness(self._file)
        with open_container(self._file) as container:
            stream = pick_stream(container, self._track or self._chosen(container))
            self._origin_s = None if container.start_time is None else container.start_time / _AV_TIME_BASE
            self._refuse_promised(container, stream, whole)
            self._mixdown = Mixdown(has_free_scale=stream.codec_context.name.startswith("pcm_f"))
            for block in self._blocks(container, stream):
                self._given += len(block)
                yield block
            self._finish(container, stream, whole)

    def _chosen(self, container: InputContainer) -> int | None:
        tracks = container.streams.audio
        return self._choose([is_readable(track) for track in tracks]) if len(tracks) > 1 else None

    def _blocks(self, container: InputContainer, stream: av.AudioStream) -> Iterator[Samples]:
        for frame in self._frames(container, stream):
            yield from self._take(frame)
        yield from self._flushed()
        yield from self._resampler.flush()

    def _refuse_promised(self, container: InputContainer, stream: av.AudioStream, whole: Wholeness) -> None:
        """Refuse before decoding where the file's own sizes are true; a header that lies is read instead."""
        promised_s = _promised_s(stream)
        if promised_s is None and container.duration is not None:
            promised_s = container.duration / _AV_TIME_BASE
        if whole is Wholeness.WHOLE and promised_s is not None:
            self._check_length(promised_s - 1.0)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._max_s:
            raise SoundTooLong(f"the audio is longer than the {self._max_s:g} s that are read; send it in parts")

    def _frames(self, container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
        """Every frame that decodes; a packet that does not is passed over, a container that breaks off ends it."""
        barren = 0
        try:
            for packet in container.demux(stream):
                self._stop_if_unwanted()
                has_frames = False
                for frame in self._decode(packet):
                    has_frames = True
                    yield frame
                barren = 0 if has_frames else barren + 1
                if barren > _MAX_BARREN_PACKETS:
                    self._ending.is_broken = True
                    return
        except av.FFmpegError:
            self._ending.is_broken = True

    def _decode(self, packet: av.Packet[av.AudioStream]) -> list[av.AudioFrame]:
        """The frames of one packet. What the last packet of the file says of a cut stands at the end."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self._ending.failed(packet)
            return []
        if frames:
            self._ending.decoded(packet)
        return frames

    def _take(self, frame: av.AudioFrame) -> Iterator[Samples]:
        rate_hz = frame.sample_rate
        if rate_hz not in _RATES_HZ:
            raise DamagedSound(f"a sample rate of {rate_hz} Hz is not read; send 16 000 Hz or more")
        missing_s = self._missing_s(frame)
        self._check_length(self._heard_s + missing_s + frame.samples / rate_hz)
        if missing_s:
            yield from self._flushed()
            yield from self._silence(missing_s, rate_hz)
        for block in self._mixdown.push(frame):
            yield from self._resampler.push(block, self._mixdown.rate_hz)
        self._heard_s += missing_s + frame.samples / rate_hz

    def _flushed(self) -> Iterator[Samples]:
        for block in self._mixdown.flush():
            yield from self._resampler.push(block, self._mixdown.rate_hz)

    def _silence(self, seconds: float, rate_hz: int) -> Iterator[Samples]:
        while seconds > 0:
            piece_s = min(seconds, _SILENCE_BLOCK_S)
            yield from self._resampler.push(np.zeros(round(piece_s * rate_hz), np.float32), rate_hz)
            seconds -= piece_s

    def _missing_s(self, frame: av.AudioFrame) -> float:
        """Silence, in seconds, between what was heard and this frame's timestamp."""
        if frame.time is None:
            return 0.0
        if self._origin_s is None:
            self._origin_s = frame.time
        gap_s = frame.time - self._origin_s - self._heard_s
        if gap_s > _MAX_GAP_S or gap_s < -_MAX_REWIND_S:
            self._origin_s += gap_s
            return 0.0
        return gap_s if gap_s > _GAP_TOLERANCE_S else 0.0

    def _finish(self, container: InputContainer, stream: av.AudioStream, whole: Wholeness) -> None:
        if not self._given:
            self._file.seek(0)
            raise refusal(self._file.read(_HEAD_BYTES), "the file holds no audio (0 s)", EmptySound)
        self._result = Decoded(
            duration_s=self._given / SPEECH_RATE_HZ,
            truncated=self._ending.is_cut(self._file, stream, whole, self._heard_s),
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate_hz=stream.codec_context.sample_rate,
            channels=len(stream.codec_context.layout.channels),
            tracks=len(container.streams.audio),
        )


def _promised_s(stream: av.AudioStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)
