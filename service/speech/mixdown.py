"""From a decoded frame of any sample format and any number of channels to one channel of float32.

The centre of a surround recording carries the speech, so channels are weighed by their place in the room (after the
downmix coefficients of ITU-R BS.775) and the low-frequency channel is left out. It does not know rates or files.
"""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
from numpy.typing import NDArray

_FRONT = 0.5**0.5
_WEIGHTS = {"FC": 1.0, "FL": _FRONT, "FR": _FRONT, "FLC": _FRONT, "FRC": _FRONT, "LFE": 0.0, "LFE2": 0.0}
_SURROUND = 0.5
_FULL_SCALE = {np.dtype(np.int16): 1 << 15, np.dtype(np.int32): 1 << 31}


def mono(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The frame's samples as one channel, float32 `[frame.samples]` within −1…1.

    Samples that are no numbers (a float file may hold any bits) become silence.
    """
    channels = len(frame.layout.channels)
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, channels).T
    return _mixed(_as_float(samples), _channel_weights(frame.layout.name))


def _as_float(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    floats = samples.astype(np.float32)
    if samples.dtype == np.uint8:
        floats -= np.float32(128)
        floats /= np.float32(128)
        return floats
    scale = _FULL_SCALE.get(samples.dtype)
    if scale is None:
        np.nan_to_num(floats, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return np.clip(floats, -1.0, 1.0, out=floats)
    floats /= np.float32(scale)
    return floats


def _mixed(channels: NDArray[np.float32], weights: tuple[float, ...]) -> NDArray[np.float32]:
    if len(weights) == 1:
        return channels[0]
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
