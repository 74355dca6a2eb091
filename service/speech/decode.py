"""From the bytes of a media file to mono float32 at 16 kHz, block by block, in bounded memory.

Whatever can be decoded is given; a file that ends early is given up to there and marked truncated. Gaps between
timestamps become silence, so that times in the result are times in the medium. libav's own trimming of encoder
delay is kept. It does not know speech: windows and words come later.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import av
import numpy as np
from av.container import InputContainer

from service.errors import AudioTooLong, ClientGone, UndecodableAudio
from service.speech.containers import open_container, pick_stream, refusal
from service.speech.mixdown import mono
from service.speech.resample import SPEECH_RATE_HZ, Samples, SpeechResampler
from service.speech.wholeness import Wholeness, mpeg_frame_bytes, wholeness

_RATES_HZ = range(2_000, 768_001)  # below is no speech, above no recorder
_HEAD_BYTES = 16
_GAP_TOLERANCE_S = 0.1  # containers round timestamps; a shorter gap is none
_MAX_GAP_S = 600.0  # a longer jump is a broken timestamp
_MAX_REWIND_S = 1.0  # further back means that the timestamps begin anew
_MAX_BARREN_PACKETS = 2_000  # in a row without a sample: a table that lies about their number
_SILENCE_BLOCK_S = 1.0
_AV_TIME_BASE = 1_000_000


@dataclass(frozen=True)
class AudioLimits:
    """How much sound one request may have."""

    max_audio_s: float = 4 * 3600.0


@dataclass(frozen=True)
class Decoded:
    """What a file turned out to hold. `duration_s` counts what was given out, filled gaps included."""

    duration_s: float
    truncated: bool
    container: str
    codec: str
    sample_rate_hz: int
    channels: int


def _never() -> bool:
    return False


class Decoding:
    """One pass over one file: iterate for the blocks, then ask for `result`. For one thread, once."""

    def __init__(self, file: IO[bytes], limits: AudioLimits, should_stop: Callable[[], bool]) -> None:
        self._file = file
        self._limits = limits
        self._should_stop = should_stop
        self._result: Decoded | None = None
        self._heard_s = 0.0  # time of the medium that has gone into the resampler
        self._origin_s: float | None = None  # timestamp at which the medium begins
        self._is_cut = False
        self._given = 0
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
            UnsupportedMedia: no audio format that is read here.
            NoAudioStream: a container without sound.
            UndecodableAudio: a known format of which nothing could be decoded, or with no sound in it (0 s).
            AudioTooLong: as soon as more seconds than the limit are decoded, or sizes that hold true promise more.
            ClientGone: `should_stop` said so.
        """
        whole = wholeness(self._file)
        with open_container(self._file) as container:
            stream = pick_stream(container)
            self._origin_s = None if container.start_time is None else container.start_time / _AV_TIME_BASE
            self._refuse_promised(container, stream, whole)
            for frame in self._frames(container, stream):
                for block in self._take(frame):
                    self._given += len(block)
                    yield block
            for block in self._resampler.flush():
                self._given += len(block)
                yield block
            self._finish(stream, container.format.name, whole)

    def _refuse_promised(self, container: InputContainer, stream: av.AudioStream, whole: Wholeness) -> None:
        """Refuse before decoding where the file's own sizes are true; a header that lies is read instead."""
        promised_s = _promised_s(stream)
        if promised_s is None and container.duration is not None:
            promised_s = container.duration / _AV_TIME_BASE
        if whole is Wholeness.WHOLE and promised_s is not None:
            self._check_length(promised_s - 1.0)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._limits.max_audio_s:
            raise AudioTooLong(
                f"the audio is longer than the {self._limits.max_audio_s:g} s that are read; send it in parts"
            )

    def _frames(self, container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
        """Every frame that decodes; a packet that does not is passed over, a container that breaks off ends it."""
        barren = 0
        try:
            for packet in container.demux(stream):
                if self._should_stop():
                    raise ClientGone("the request was given up while its audio was being decoded")
                has_frames = False
                for frame in self._decode(packet):
                    has_frames = True
                    yield frame
                barren = 0 if has_frames else barren + 1
                if barren > _MAX_BARREN_PACKETS:
                    self._is_cut = True
                    return
        except av.FFmpegError:
            self._is_cut = True

    def _decode(self, packet: av.Packet[av.AudioStream]) -> list[av.AudioFrame]:
        """The frames of one packet. What the last packet of the file says of a cut stands at the end."""
        if packet.size:
            self._is_cut = _is_cut_mpeg_frame(packet)
        try:
            return packet.decode()
        except av.FFmpegError:
            self._is_cut = self._is_cut or packet.size > 0
            return []

    def _take(self, frame: av.AudioFrame) -> Iterator[Samples]:
        rate_hz = frame.sample_rate
        if rate_hz not in _RATES_HZ:
            raise UndecodableAudio(f"a sample rate of {rate_hz} Hz is not read; send 16 000 Hz or more")
        missing_s = self._missing_s(frame)
        self._check_length(self._heard_s + missing_s + frame.samples / rate_hz)
        while missing_s > 0:
            piece_s = min(missing_s, _SILENCE_BLOCK_S)
            yield from self._resampler.push(np.zeros(round(piece_s * rate_hz), np.float32), rate_hz)
            self._heard_s += piece_s
            missing_s -= piece_s
        yield from self._resampler.push(mono(frame), rate_hz)
        self._heard_s += frame.samples / rate_hz

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

    def _finish(self, stream: av.AudioStream, container: str, whole: Wholeness) -> None:
        if not self._given:
            self._file.seek(0)
            raise refusal(self._file.read(_HEAD_BYTES), "the file holds no audio (0 s)")
        # FLAC has no sizes to compare, but counts its samples.
        promised_s = _promised_s(stream) if container == "flac" else None
        is_short = promised_s is not None and promised_s > self._heard_s + _GAP_TOLERANCE_S
        self._result = Decoded(
            duration_s=self._given / SPEECH_RATE_HZ,
            truncated=self._is_cut or is_short or whole is Wholeness.CUT,
            container=container,
            codec=stream.codec_context.name,
            sample_rate_hz=stream.codec_context.sample_rate,
            channels=len(stream.codec_context.layout.channels),
        )


def decode(source: bytes | IO[bytes], limits: AudioLimits, should_stop: Callable[[], bool] = _never) -> Decoding:
    """Decode the sound of a media file; nothing happens before the first block is asked for.

    Args:
        source: the bytes, or a seekable binary file that nobody else reads meanwhile.
        limits: how many seconds may be decoded.
        should_stop: asked between packets; true ends the work with ClientGone.
    """
    return Decoding(io.BytesIO(source) if isinstance(source, bytes) else source, limits, should_stop)


def _promised_s(stream: av.AudioStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def _is_cut_mpeg_frame(packet: av.Packet[av.AudioStream]) -> bool:
    if not packet.stream.codec_context.name.startswith(("mp3", "mp2", "mp1")):
        return False
    frame_bytes = mpeg_frame_bytes(bytes(memoryview(packet)[:4]))
    return frame_bytes is not None and packet.size < frame_bytes
