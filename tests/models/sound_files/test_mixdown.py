"""Formats reach full scale alike, channels are weighed, and frames with many planes are not read past their end."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest

from models.sound_files.decoding import Decoding
from models.sound_files.mixdown import Mixdown
from models.sound_files.resample import Samples
from models.sound_files.unread import DamagedSound
from tests.media import Recipe, sound_file


def mono(frame: av.AudioFrame) -> Samples:
    """One frame alone, mixed."""
    frame.sample_rate = 16_000
    mixdown = Mixdown()
    return np.concatenate([*mixdown.push(frame), *mixdown.flush()])


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


def test_more_planes_are_read_as_well() -> None:
    packed = av.AudioFrame.from_ndarray(np.full((1, 64 * 16), 0.5, np.float32), format="flt", layout="hexadecagonal")
    packed.sample_rate = 48_000
    (planar,) = av.AudioResampler("fltp", "hexadecagonal", 48_000).resample(packed)
    assert planar.format.is_planar
    np.testing.assert_allclose(mono(planar), np.full(64, 0.5, np.float32), atol=1e-6)


@pytest.mark.parametrize(("format_name", "channels"), [("fltp", 65), ("flt", 256)])
def test_channels_without_end_are_refused(format_name: str, channels: int) -> None:
    frame = av.AudioFrame(format=format_name, layout=f"{channels} channels", samples=64)
    with pytest.raises(DamagedSound, match=f"{channels} channels"):
        mono(frame)


def test_the_frame_is_left_as_it_was() -> None:
    frame = channels("mono", [0.5, 2.0])
    mono(frame)[:] = 0.0
    np.testing.assert_array_equal(frame.to_ndarray(), np.array([[0.5, 2.0]], np.float32))


_MANY = {
    "opus 16": Recipe("ogg", "libopus", 48_000, "16 channels", codec_options={"mapping_family": "255"}),
    "opus 64": Recipe("ogg", "libopus", 48_000, "64 channels", codec_options={"mapping_family": "255"}),
    "opus 7.1": Recipe("ogg", "libopus", 48_000, "7.1", codec_options={"mapping_family": "1"}),
    "opus ambisonic": Recipe("ogg", "libopus", 48_000, "ambisonic 3", codec_options={"mapping_family": "2"}),
    "flac 7.1": Recipe("flac", "flac", 48_000, "7.1"),
    "aac 7.1": Recipe("ipod", "aac", 48_000, "7.1"),
    "wav 16": Recipe("wav", "pcm_s16le", 48_000, "hexadecagonal"),
    "wav 24": Recipe("wav", "pcm_s16le", 48_000, "22.2"),
}


@pytest.mark.parametrize("name", _MANY)
def test_files_of_many_channels_are_heard(name: str) -> None:
    decoding = Decoding(io.BytesIO(sound_file(_MANY[name], 1.0)), 60.0)
    found = np.concatenate(list(decoding))[2_000:14_000]
    assert decoding.result.channels == av.AudioLayout(_MANY[name].layout).nb_channels
    assert np.sqrt(np.mean(found**2)) == pytest.approx(0.3 / 2**0.5, rel=0.15)


def test_of_an_ambisonic_recording_the_sound_from_everywhere_is_taken() -> None:
    values = [0.5, 0.9, -0.9, 0.9]
    assert mono(channels("ambisonic 1", values))[0] == pytest.approx(0.5)
