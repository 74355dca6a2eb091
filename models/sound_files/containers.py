"""Opening a media file safely: which containers and codecs are read, and what a refusal is called.

The demuxers are a short list, so no playlist, image sequence or device can be reached; the file is handed over as an
object and no protocol is allowed, so nothing else is opened on behalf of a file. libav's errors become ours here.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import IO

import av
from av.container import InputContainer
from av.stream import Discard

from models.excerpt import Excerpt
from models.sound_files.riff import read_wave
from models.sound_files.unread import DamagedSound, NoSound, NoSuchTrack, UnknownSound, UnreadSound
from models.sound_files.wholeness import W64

_DEMUXERS = "wav,w64,flac,mp3,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,aac,aiff,au,caf,amr"
_CODECS = (
    "aac", "aac_latm", "ac3", "eac3", "dca", "alac", "flac", "opus", "libopus", "vorbis", "speex",
    "mp3float", "mp3", "mp2float", "mp2", "mp1float", "mp1", "amrnb", "amrwb", "libopencore_amrnb",
    "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "g722", "g726", "gsm", "gsm_ms", "truehd", "pcm_alaw", "pcm_mulaw",
    "pcm_bluray", "pcm_s8", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_s64le", "pcm_s64be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be",
)  # fmt: skip
_OPTIONS = {
    "format_whitelist": _DEMUXERS,
    "codec_whitelist": ",".join(_CODECS),  # while probing, pictures and subtitles are not even touched
    "protocol_whitelist": "none",
    "probesize": str(2 << 20),
}
_READ = "wav, flac, mp3, ogg/opus, m4a/aac, webm, or the sound of mp4/mkv"
_UNKNOWN = f"the bytes are no audio of a format that is read here; send {_READ}"
_HEAD_BYTES = 16
# A header of a few bytes can claim tables of gigabytes; four hours of sound need some 30 MB of index.
_MAX_ALLOCATION_BYTES = 128 << 20
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_container(file: IO[bytes]) -> InputContainer:
    """Open a seekable file as a container; close it after use.

    Raises:
        UnknownSound: no format that is read here, a picture, text, random bytes.
        DamagedSound: a format that is read here, but its header is damaged.
    """
    _bound_allocations()
    wave = read_wave(file)
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:  # pictures in the container of films
        raise UnknownSound(_UNKNOWN)
    # libav may be led to any place by a damaged file: an excerpt lets it go there and gives nothing
    source = Excerpt(file, [(0, file.seek(0, os.SEEK_END))]) if wave is None else wave.for_libav(file)
    try:
        return av.open(source, mode="r", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        raise refusal(head, "its header is damaged or cut off; send the file again whole") from error


def refusal(head: bytes, reason: str, kind: type[DamagedSound] = DamagedSound) -> UnreadSound:
    """The error for a file of which nothing can be had: damaged where its first bytes are a known format's."""
    if _looks_known(head):
        return kind(f"nothing could be decoded: {reason}")
    return UnknownSound(_UNKNOWN)


def pick_stream(container: InputContainer, track: int | None = None) -> av.AudioStream:
    """One sound track of the container, alone enabled.

    Args:
        container: as it was opened.
        track: its number among the sound tracks, from 1; None for the default one, or the first whose codec is read.

    Raises:
        NoSound: there is none.
        NoSuchTrack: there are fewer.
        UnknownSound: its codec is not read here.
    """
    tracks = container.streams.audio
    if not tracks:
        raise NoSound("the file has no sound in it; send one with an audio track")
    if track is None:
        chosen = _default(container)
    elif not 1 <= track <= len(tracks):
        raise NoSuchTrack(f"`track`: there is no sound track {track}; the file has {len(tracks)}")
    else:
        chosen = tracks[track - 1]
    if not is_readable(chosen):
        raise UnknownSound(f"the sound is in a codec that is not read here; send {_READ}")
    for other in container.streams:
        other.discard = Discard.none if other is chosen else Discard.all
    chosen.codec_context.thread_count = 1  # lanes are the parallelism
    return chosen


def _default(container: InputContainer) -> av.AudioStream:
    best, tracks = container.streams.best("audio"), container.streams.audio
    readable = [each for each in tracks if is_readable(each)]
    return next((each for each in readable if each is best), readable[0] if readable else tracks[0])


def is_readable(stream: av.AudioStream) -> bool:
    """Whether its codec is read here."""
    context: av.AudioCodecContext | None = stream.codec_context
    return context is not None and context.name in _CODECS


@cache
def _bound_allocations() -> None:
    """Set libavutil's own limit on a single allocation, for this process; PyAV itself has no name for it."""
    library = ctypes.CDLL(av._core.__file__)
    set_limit = getattr(library, "av_max_alloc", None)
    if set_limit is not None:
        set_limit.argtypes, set_limit.restype = [ctypes.c_size_t], None
        set_limit(_MAX_ALLOCATION_BYTES)


def _looks_known(head: bytes) -> bool:
    is_riff = head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX") and head[8:12] == b"WAVE"
    is_film = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"styp")
    is_aiff = head[:4] == b"FORM" and head[8:11] == b"AIF"
    return (
        is_riff
        or is_film
        or is_aiff
        or head.startswith((b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3", b"caff", b".snd", b"#!AMR", W64))
    )
