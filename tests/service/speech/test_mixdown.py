"""Formats reach full scale alike, channels are weighed, and frames with many planes are not read past their end."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from service.errors import UndecodableAudio
from service.speech.mixdown import mono

_HALF: dict[str, Any] = {
    "u8": np.uint8(192),
    "s16": np.int16(1 << 14),
    "s32": np.int32(1 << 30),
    "flt": np.float32(0.5),
    "dbl": np.float64(0.5),
}


@pytest.mark.parametrize("is_planar", [False, True])
@pytest.mark.parametrize("name", _HALF)
def test_half_scale_is_a_half_in_every_format(name: str, is_planar: bool) -> None:
    value = _HALF[name]
    shape = (2, 10) if is_planar else (1, 20)
    frame = av.AudioFrame.from_ndarray(
        np.full(shape, value), format=name + ("p" if is_planar else ""), layout="stereo"
    )
    np.testing.assert_allclose(mono(frame), np.full(10, 0.5, np.float32), atol=1e-6)


def channels(layout: str, values: list[float]) -> av.AudioFrame:
    return av.AudioFrame.from_ndarray(np.array([values], np.float32), format="flt", layout=layout)


def test_stereo_is_the_mean() -> None:
    np.testing.assert_allclose(mono(channels("stereo", [0.2, 0.6, -0.4, 0.4])), [0.4, 0.0], atol=1e-6)


def test_the_centre_weighs_most_and_the_low_channel_nothing() -> None:
    # 5.1: front left, front right, centre, low frequency, back left, back right
    alone = [mono(channels("5.1", [float(place == at) for place in range(6)]))[0] for at in range(6)]
    assert alone[2] > alone[0] == alone[1] > alone[4] == alone[5] > 0
    assert alone[3] == 0
    assert sum(alone) == pytest.approx(1.0)


def test_channels_without_a_place_weigh_the_same() -> None:
    frame = channels("3 channels", [0.3, 0.6, 0.0])
    assert mono(frame)[0] == pytest.approx(0.3)


def test_a_lone_low_channel_is_still_heard() -> None:
    assert mono(channels("1 channels (LFE)", [0.5]))[0] == pytest.approx(0.5)


def test_what_is_no_number_is_silence_and_excess_is_clipped() -> None:
    frame = channels("mono", [np.nan, np.inf, -np.inf, 7.0, -7.0, 0.25])
    np.testing.assert_array_equal(mono(frame), np.array([0, 0, 0, 1, -1, 0.25], np.float32))


def test_a_double_beyond_the_range_of_a_float_is_clipped() -> None:
    frame = av.AudioFrame.from_ndarray(np.array([[1e300, -1e300, 1e-300, np.nan]]), format="dbl", layout="mono")
    np.testing.assert_array_equal(mono(frame), np.array([1, -1, 0, 0], np.float32))


def test_eight_planes_are_read_and_no_more() -> None:
    frame = av.AudioFrame(format="fltp", layout="7.1", samples=64)
    for plane in frame.planes[:8]:
        plane.update(np.full(64, 0.5, np.float32).tobytes().ljust(plane.buffer_size, b"\0"))
    np.testing.assert_allclose(mono(frame), np.full(64, 0.5, np.float32), atol=1e-6)


def test_more_planes_are_refused() -> None:
    with pytest.raises(UndecodableAudio, match="16 channels"):
        mono(av.AudioFrame(format="fltp", layout="hexadecagonal", samples=64))


def test_the_frame_is_left_as_it_was() -> None:
    frame = channels("mono", [0.5, 2.0])
    mono(frame)[:] = 0.0
    np.testing.assert_array_equal(frame.to_ndarray(), np.array([[0.5, 2.0]], np.float32))
