"""The sound of an upload: what both halves read alike, with the service's limits and errors."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from models.sound_files.decoding import ChooseTrack, Decoded, Decoding, take_default
from models.sound_files.resample import Samples
from models.sound_files.unread import (
    DamagedSound,
    EmptySound,
    NoSound,
    NoSuchTrack,
    SoundTooLong,
    UnknownSound,
    UnreadSound,
)
from service.errors import (
    AudioTooLong,
    ClientGone,
    InvalidParameter,
    NoAudioStream,
    RequestError,
    UndecodableAudio,
    UnsupportedMedia,
)

__all__ = ["AudioLimits", "Decoded", "Sound", "decode"]
_ERRORS: dict[type[UnreadSound], type[RequestError]] = {
    DamagedSound: UndecodableAudio,
    EmptySound: UndecodableAudio,
    NoSound: NoAudioStream,
    NoSuchTrack: InvalidParameter,
    SoundTooLong: AudioTooLong,
    UnknownSound: UnsupportedMedia,
}


@dataclass(frozen=True)
class AudioLimits:
    """How much sound one request may have."""

    max_audio_s: float = 4 * 3600.0


class Sound:
    """One pass over one file: iterate for the blocks, then ask for `result`. For one thread, once."""

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = decoding

    @property
    def result(self) -> Decoded:
        """What the file held; known once every block has been taken."""
        return self._decoding.result

    def __iter__(self) -> Iterator[Samples]:
        """Blocks of float32 at 16 kHz, `[n]` with n up to some seconds' worth, never empty.

        Raises:
            UnsupportedMedia: no audio format that is read here.
            NoAudioStream: a container without sound.
            InvalidParameter: it has fewer sound tracks than the number that was asked for.
            UndecodableAudio: a known format of which nothing could be decoded, or with no sound in it (0 s).
            AudioTooLong: as soon as more seconds than the limit are decoded, or sizes that hold true promise more.
            ClientGone: `should_stop` said so.
        """
        try:
            yield from self._decoding
        except UnreadSound as error:
            raise _ERRORS[type(error)](error.reason) from error


def _never() -> bool:
    return False


def decode(
    source: bytes | IO[bytes],
    limits: AudioLimits,
    should_stop: Callable[[], bool] = _never,
    track: int | None = None,
    choose: ChooseTrack = take_default,
) -> Sound:
    """Decode the sound of a media file; nothing happens before the first block is asked for.

    Args:
        source: the bytes, or a seekable binary file that nobody else reads meanwhile.
        limits: how many seconds may be decoded.
        should_stop: asked between packets; true ends the work with ClientGone.
        track: number of the sound track, from 1.
        choose: gives it where none is given and the file has several; the default is the file's own.
    """

    def stop_if_unwanted() -> None:
        if should_stop():
            raise ClientGone("the request was given up while its audio was being decoded")

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return Sound(Decoding(file, limits.max_audio_s, stop_if_unwanted, track, choose))
