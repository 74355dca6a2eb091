"""The samples of decoded frames as they lie in memory, gathered to blocks.

A frame holds some milliseconds, and each call of a library costs more than its arithmetic; so the frames of a second
are joined before anything is calculated. It does not know levels, channels' places or files.
"""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from models.sound_files.unread import DamagedSound

Raw = NDArray[np.generic]
"""Samples `[channels, samples]` in the type in which a decoder gives them."""
_DTYPES = {"u8": "<u1", "s16": "<i2", "s32": "<i4", "s64": "<i8", "flt": "<f4", "dbl": "<f8"}
# PyAV (18.1) counts planes up to a null pointer that stands only behind up to eight of them: with more, and in
# `to_ndarray` with eight already, it reads memory that is not the frame's. So planes are taken one by one here, and
# more of them are interleaved by libswresample, which takes up to 64.
_MAX_PLANES = 8
_MAX_PLANAR_CHANNELS = 64
_MAX_CHANNELS = 255
_CELLS_PER_S = 10
_MAX_CELL_VALUES, _MAX_BLOCK_VALUES = 1 << 20, 1 << 22  # of all channels together


class Form(NamedTuple):
    """What may change between frames, though it seldom does."""

    rate_hz: int
    layout: str
    format: str

    @classmethod
    def of(cls, frame: av.AudioFrame) -> Form:
        """The form of a frame."""
        return cls(frame.sample_rate, frame.layout.name, frame.format.name)


class Gathering:
    """Gathers frames of one form; blocks are whole cells of a tenth of a second, or shorter ones of many channels."""

    def __init__(self, form: Form, channels: int) -> None:
        """For frames of this form.

        Raises:
            DamagedSound: more channels than are read.
        """
        is_planar = form.format.endswith("p")
        self._dtype = np.dtype(_DTYPES[form.format.removesuffix("p")])
        most = _MAX_PLANAR_CHANNELS if is_planar else _MAX_CHANNELS
        if channels > most:
            raise DamagedSound(f"{channels} channels are too many; send at most {most}")
        self._channels = channels
        self._interleaving: av.AudioResampler | None = None
        if is_planar and channels > _MAX_PLANES:
            self._interleaving = av.AudioResampler(form.format.removesuffix("p"), form.layout, form.rate_hz)
        self._time = int(is_planar and self._interleaving is None)  # the axis along which pieces are joined
        self.cell = max(1, min(form.rate_hz // _CELLS_PER_S, _MAX_CELL_VALUES // channels))
        self._block = self.cell * max(1, min(_CELLS_PER_S, _MAX_BLOCK_VALUES // (self.cell * channels)))
        self._pieces: list[Raw] = [np.empty((channels, 0) if self._time else (0, channels), self._dtype)]
        self._count = 0

    def push(self, frame: av.AudioFrame) -> Raw | None:
        """Take a frame; a block comes out once it is complete."""
        for each in [frame] if self._interleaving is None else self._interleaving.resample(frame):
            self._pieces.append(self._samples(each))
            self._count += each.samples
        return self._joined(self._count // self.cell * self.cell) if self._count >= self._block else None

    def flush(self) -> Raw:
        """What is left, less than a block."""
        return self._joined(self._count)

    def _joined(self, count: int) -> Raw:
        """So many samples of each channel; what is behind them stays."""
        block, rest = np.split(np.concatenate(self._pieces, axis=self._time), [count], axis=self._time)
        self._pieces, self._count = [rest.copy()], self._count - count
        channels: Raw = block if self._time else block.T
        return channels

    def _samples(self, frame: av.AudioFrame) -> Raw:
        """`[channels, samples]` of planes, `[samples, channels]` of one; they may be the frame's own memory."""
        count, planes = frame.samples, frame.planes
        if not self._time:
            values = np.frombuffer(memoryview(planes[0]), self._dtype, count=count * self._channels)
            return values.reshape(count, self._channels)
        if self._channels == 1:
            return np.frombuffer(memoryview(planes[0]), self._dtype, count=count)[None]
        return np.stack(
            [np.frombuffer(memoryview(plane), self._dtype, count=count) for plane in planes[: self._channels]]
        )
