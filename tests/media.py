"""Media files for tests, written by PyAV: tones in any container, films with and without sound."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_FRAME_SAMPLES = 1024
# The table of an MP4 in front of its sound, as players on the web want it; its place is reserved.
TABLE_IN_FRONT = {"moov_size": "8192"}


@dataclass(frozen=True)
class Recipe:
    """How to write a file: container and codec as libav names them."""

    container: str
    codec: str
    rate_hz: int = 44_100
    layout: str = "mono"
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the container."""
    codec_options: Mapping[str, str] = field(default_factory=dict)


RECIPES = {
    "wav 16 bit": Recipe("wav", "pcm_s16le"),
    "wav 8 bit": Recipe("wav", "pcm_u8", 22_050),
    "wav mu-law 8 kHz": Recipe("wav", "pcm_mulaw", 8_000),
    "wav a-law 8 kHz": Recipe("wav", "pcm_alaw", 8_000),
    "wav 24 bit": Recipe("wav", "pcm_s24le", 48_000, "stereo"),
    "wav 32 bit": Recipe("wav", "pcm_s32le", 32_000),
    "wav float": Recipe("wav", "pcm_f32le", 16_000),
    "wav double": Recipe("wav", "pcm_f64le", 16_000),
    "wav 96 kHz 5.1": Recipe("wav", "pcm_s16le", 96_000, "5.1"),
    "wav 7.1": Recipe("wav", "pcm_s24le", 48_000, "7.1"),
    "flac": Recipe("flac", "flac"),
    "mp3": Recipe("mp3", "libmp3lame"),
    "mp3 without xing": Recipe("mp3", "libmp3lame", 24_000, "stereo", {"write_xing": "0"}),
    "ogg opus": Recipe("ogg", "libopus", 48_000, "stereo"),
    "ogg opus 7.1": Recipe("ogg", "libopus", 48_000, "7.1"),
    "m4a": Recipe("ipod", "aac"),
    "m4a 7.1": Recipe("ipod", "aac", 48_000, "7.1"),
    "m4a alac": Recipe("ipod", "alac"),
    "mp4 table in front": Recipe("mp4", "aac", 44_100, "stereo", TABLE_IN_FRONT),
    "mp4 fragmented": Recipe(
        "mp4", "aac", options={"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}
    ),
    "aac": Recipe("adts", "aac"),
    "webm": Recipe("webm", "libopus", 48_000),
    "webm live": Recipe("webm", "libopus", 48_000, options={"live": "1"}),
    "mkv ac3": Recipe("matroska", "ac3", 48_000, "5.1"),
    "aiff": Recipe("aiff", "pcm_s16be"),
    "caf": Recipe("caf", "pcm_s16be"),
}


def tone(duration_s: float, rate_hz: int, frequency_hz: float = 440.0) -> NDArray[np.float32]:
    """A sine of amplitude 0.3, float32 `[n]`."""
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (0.3 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def sound_file(recipe: Recipe, duration_s: float = 1.0) -> bytes:
    """A file with a tone of 440 Hz in every channel."""
    return write(recipe, tone(duration_s, recipe.rate_hz))


def write(recipe: Recipe, samples: NDArray[np.float32], gap_at: int | None = None, gap_s: float = 0.0) -> bytes:
    """A file with `samples`, `[n]` or `[n, channels]`; timestamps leap by `gap_s` at sample `gap_at`."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=recipe.container, options=dict(recipe.options)) as container:
        stream: Any = container.add_stream(
            recipe.codec, rate=recipe.rate_hz, layout=recipe.layout, options=dict(recipe.codec_options)
        )
        resampler = av.AudioResampler(stream.format, recipe.layout, recipe.rate_hz)
        for start in range(0, len(samples), _FRAME_SAMPLES):
            leap = round(gap_s * recipe.rate_hz) if gap_at is not None and start >= gap_at else 0
            frame = _frame(samples[start : start + _FRAME_SAMPLES], recipe, start + leap)
            for converted in resampler.resample(frame):
                container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def silent_film(container_name: str = "mp4") -> bytes:
    """A film of two seconds without a sound track."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name) as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
        _film(container, stream)
    return buffer.getvalue()


def film_with_sound(container_name: str = "mp4", sound_from_s: float = 0.0) -> bytes:
    """A film of two seconds whose tone of one second sets in later."""
    buffer = io.BytesIO()
    recipe = Recipe(container_name, "aac", 48_000)
    with av.open(buffer, "w", format=container_name) as container:
        picture = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
        sound: Any = container.add_stream(recipe.codec, rate=recipe.rate_hz, layout=recipe.layout)
        _film(container, picture)
        samples = tone(1.0, recipe.rate_hz)
        for start in range(0, len(samples), _FRAME_SAMPLES):
            piece = samples[start : start + _FRAME_SAMPLES]
            container.mux(sound.encode(_frame(piece, recipe, start + round(sound_from_s * recipe.rate_hz))))
        container.mux(sound.encode(None))
    return buffer.getvalue()


def film_with_tracks(
    container_name: str, tracks: Sequence[NDArray[np.float32]], codecs: Sequence[str], rate_hz: int = 16_000
) -> bytes:
    """A file with several sound tracks, each with its own samples `[n]` and codec; the first ones are the default."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name) as container:
        streams: list[Any] = [container.add_stream(codec, rate=rate_hz, layout="mono") for codec in codecs]
        resamplers = [av.AudioResampler(stream.format, "mono", rate_hz, _FRAME_SAMPLES) for stream in streams]
        recipe = Recipe(container_name, "", rate_hz)
        for start in range(0, max(map(len, tracks)), _FRAME_SAMPLES):
            for stream, resampler, samples in zip(streams, resamplers, tracks, strict=True):
                if start < len(samples):
                    frame = _frame(samples[start : start + _FRAME_SAMPLES], recipe, start)
                    for converted in resampler.resample(frame):
                        container.mux(stream.encode(converted))
        for stream in streams:
            container.mux(stream.encode(None))
    return buffer.getvalue()


def _film(container: Any, stream: Any) -> None:
    for index in range(20):
        picture = np.full((48, 64, 3), index * 10, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode(None))


def _frame(samples: NDArray[np.float32], recipe: Recipe, pts: int) -> av.AudioFrame:
    channels = av.AudioLayout(recipe.layout).nb_channels
    spread = samples if samples.ndim == 2 else np.repeat(samples[:, None], channels, axis=1)
    frame = av.AudioFrame.from_ndarray(spread.reshape(1, -1), format="flt", layout=recipe.layout)
    frame.sample_rate, frame.pts = recipe.rate_hz, pts
    return frame
