"""From decoded frames of any sample format and any number of channels to one channel of float32.

The centre of a surround recording carries the speech, so channels are weighed by their place in the room (after the
downmix coefficients of ITU-R BS.775) and the low-frequency channel is left out. Channels that carry the same sound
with opposite signs cancel in the mean: where they do, one of them is taken. It does not know files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import av
import numpy as np

from models.sound_files.cancellation import Sum
from models.sound_files.frames import Form, Gathering
from models.sound_files.offset import Offset
from models.sound_files.scale import Samples, Scale

_FRONT = 0.5**0.5
_WEIGHTS = {"FC": 1.0, "FL": _FRONT, "FR": _FRONT, "FLC": _FRONT, "FRC": _FRONT, "LFE": 0.0, "LFE2": 0.0}
_SURROUND = 0.5
_OMNIDIRECTIONAL, _AMBISONIC = "AMBI0", "AMBI"  # the others say where a sound comes from, and cancel


class Mixdown:
    """Mixes one recording; not for several threads."""

    def __init__(self, *, has_free_scale: bool = False) -> None:
        """`has_free_scale` where the file holds floats as they are (see `models.sound_files.scale`)."""
        self._has_free_scale = has_free_scale
        self._form: Form | None = None
        self._mixing: _Mixing | None = None

    @property
    def rate_hz(self) -> int:
        """Samples per second of the block that was given last."""
        return self._form.rate_hz if self._form else 0

    def push(self, frame: av.AudioFrame) -> Iterable[Samples]:
        """Take a frame; blocks `[n]` within −1…1 come out, each of the rate that `rate_hz` says while it is there.

        Samples that are no numbers (a float file may hold any bits) become silence.

        Raises:
            DamagedSound: more channels than are read.
        """
        form = Form.of(frame)
        if self._mixing is None or form != self._form:
            return self._begin(form, frame)
        return self._mixing.push(frame)

    def _begin(self, form: Form, frame: av.AudioFrame) -> Iterator[Samples]:
        yield from self.flush()
        self._form = form
        self._mixing = _Mixing(form, frame.layout.nb_channels, self._has_free_scale)
        yield from self._mixing.push(frame)

    def flush(self) -> Iterator[Samples]:
        """What is still inside."""
        if self._mixing is not None:
            yield from self._mixing.flush()


class _Mixing:
    """Frames of one form."""

    def __init__(self, form: Form, channels: int, has_free_scale: bool) -> None:
        self._gathering = Gathering(form, channels)
        self._scale = Scale(is_free=has_free_scale)
        self._has_excess = form.format.startswith(("flt", "dbl"))
        self._offset = Offset(channels)
        self._sum = Sum(_channel_weights(form.layout)) if channels > 1 else None

    def push(self, frame: av.AudioFrame) -> Iterable[Samples]:
        block = self._gathering.push(frame)
        return () if block is None else self._scaled(self._scale.push(block))

    def flush(self) -> Iterator[Samples]:
        rest = self._gathering.flush()
        whole = rest.shape[1] // self._gathering.cell * self._gathering.cell
        for block in (rest[:, :whole], rest[:, whole:]):
            if block.size:
                yield from self._scaled(self._scale.push(block))
        yield from self._scaled(self._scale.flush())
        if self._sum is not None:
            yield from self._sum.flush()

    def _scaled(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        for block in blocks:
            cells = block.reshape(len(block), -1, min(block.shape[1], self._gathering.cell))
            if self._offset.take_away(cells) or self._has_excess:
                np.clip(cells, -1.0, 1.0, out=cells)
            if self._sum is None:
                yield cells.reshape(-1)
            else:
                yield from self._sum.push(cells)


@lru_cache(maxsize=64)
def _channel_weights(layout: str) -> tuple[float, ...]:
    """Weights of a layout's channels; they sum to one. Stereo is the plain mean, unnamed channels weigh the same."""
    weights = [_weight(channel.name) for channel in av.AudioLayout(layout).channels]
    total = sum(weights)
    if total == 0:  # nothing but a low-frequency channel
        return (1.0 / len(weights),) * len(weights)
    return tuple(weight / total for weight in weights)


def _weight(name: str) -> float:
    if name.startswith(_AMBISONIC):
        return float(name == _OMNIDIRECTIONAL)
    return _WEIGHTS.get(name, _SURROUND)
