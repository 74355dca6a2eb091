"""From a decoded frame of any sample format and any number of channels to one channel of float32.

The centre of a surround recording carries the speech, so channels are weighed by their place in the room (after the
downmix coefficients of ITU-R BS.775) and the low-frequency channel is left out. It does not know rates or files.
"""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
from numpy.typing import NDArray

from service.errors import UndecodableAudio

_FRONT = 0.5**0.5
_WEIGHTS = {"FC": 1.0, "FL": _FRONT, "FR": _FRONT, "FLC": _FRONT, "FRC": _FRONT, "LFE": 0.0, "LFE2": 0.0}
_SURROUND = 0.5
_DTYPES = {"u8": "<u1", "s16": "<i2", "s32": "<i4", "s64": "<i8", "flt": "<f4", "dbl": "<f8"}
# PyAV (18.1) counts planes up to a null pointer that stands only behind up to eight of them: with more, and in
# `to_ndarray` with eight already, it reads memory that is not the frame's. So planes are taken one by one here.
_MAX_PLANES = 8


def mono(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The frame's samples as one channel, float32 `[frame.samples]` within −1…1.

    Samples that are no numbers (a float file may hold any bits) become silence.

    Raises:
        UndecodableAudio: more than eight channels in planes of their own.
    """
    return _mixed(_as_float(_channels(frame)), _channel_weights(frame.layout.name))


def _channels(frame: av.AudioFrame) -> NDArray[np.generic]:
    """A copy of the samples, `[channels, samples]`, in the frame's own type."""
    channels, dtype = frame.layout.nb_channels, np.dtype(_DTYPES[frame.format.name.removesuffix("p")])
    if not frame.format.is_planar:
        return (
            np.frombuffer(memoryview(frame.planes[0]), dtype, count=frame.samples * channels).reshape(-1, channels).T
        )
    if channels > _MAX_PLANES:
        raise UndecodableAudio(f"{channels} channels are too many; send at most {_MAX_PLANES}")
    return np.stack(
        [np.frombuffer(memoryview(plane), dtype, count=frame.samples) for plane in frame.planes[:channels]]
    )


def _as_float(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    if samples.dtype.kind == "f":  # in their own type, since a double may be beyond what a float can hold
        numbers = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(np.clip(numbers, -1.0, 1.0), np.float32)
    floats = samples.astype(np.float32)
    bits = samples.dtype.itemsize * 8
    if samples.dtype.kind == "u":
        floats -= np.float32(2 ** (bits - 1))
    floats /= np.float32(2 ** (bits - 1))
    return floats


def _mixed(channels: NDArray[np.float32], weights: tuple[float, ...]) -> NDArray[np.float32]:
    if len(weights) == 1:
        return np.array(channels[0])
    return np.asarray(np.asarray(weights, np.float32) @ channels, dtype=np.float32)


@lru_cache(maxsize=64)
def _channel_weights(layout: str) -> tuple[float, ...]:
    """Weights of a layout's channels; they sum to one. Stereo is the plain mean, unnamed channels weigh the same."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    weights = [_WEIGHTS.get(name, _SURROUND) for name in names]
    total = sum(weights)
    if total == 0:  # nothing but a low-frequency channel
        return (1.0 / len(names),) * len(names)
    return tuple(weight / total for weight in weights)
