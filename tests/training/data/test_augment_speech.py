"""Recordings are varied as promised: lengths by speed, noise by its level, masks by frames and bands."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.sound_files.resample import SPEECH_RATE_HZ
from training.data import augment_speech as augment
from training.data.augment_speech import Audio
from training.sections import Augment

WHOLE = Augment(noise_db=5.0, room=1.0, speed=0.1, joined=2)


def sound(seconds: float = 1.0, pitch_hz: float = 440.0) -> Audio:
    times = np.arange(int(seconds * SPEECH_RATE_HZ)) / SPEECH_RATE_HZ
    return np.asarray(0.3 * np.sin(2 * np.pi * pitch_hz * times), np.float32)


def level_db(audio: Audio) -> float:
    return 10 * math.log10(float(np.mean(np.square(audio, dtype=np.float64))))


def pitch_hz(audio: Audio) -> float:
    return float(np.abs(np.fft.rfft(audio * np.hanning(len(audio)))).argmax() * SPEECH_RATE_HZ / len(audio))


def test_speed_changes_length_and_pitch_by_up_to_the_fraction() -> None:
    factors = []
    for seed in range(30):
        found = augment.at_speed(sound(), 0.2, np.random.default_rng(seed))
        factor = SPEECH_RATE_HZ / len(found)
        assert pitch_hz(found) == pytest.approx(440 * factor, rel=0.01)
        assert found.dtype == np.float32
        factors.append(factor)
    assert 0.8 <= min(factors) < 0.87
    assert 1.13 < max(factors) <= 1.2 + 1e-3


def test_noise_has_a_level_of_its_own() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = augment.noise(int(rng.integers(400, 20_000)), rng)
        assert found.dtype == np.float32
        assert float(np.sqrt(np.mean(np.square(found)))) == pytest.approx(1.0, rel=1e-3)


def test_noise_lies_so_many_decibels_below_and_no_fewer() -> None:
    speech = sound()
    below = [
        level_db(speech) - level_db(augment.noisy(speech, 12.0, np.random.default_rng(seed)) - speech)
        for seed in range(60)
    ]
    assert min(below) >= 12.0 - 0.01
    assert max(below) <= 40.0 + 0.01
    assert max(below) - min(below) > 15
    quiet = augment.noisy(speech, 50.0, np.random.default_rng(0)) - speech
    assert level_db(speech) - level_db(quiet) == pytest.approx(50.0, abs=0.05)


def test_noise_over_silence_is_finite() -> None:
    found = augment.noisy(np.zeros(1000, np.float32), 5.0, np.random.default_rng(0))
    assert np.isfinite(found).all()


def test_a_room_leaves_the_direct_sound_where_it_is() -> None:
    click = np.zeros(8000, np.float32)
    click[1000] = 0.5
    found = augment.in_room(click, np.random.default_rng(0))
    assert len(found) == len(click)
    assert np.abs(found[:1000]).max() < 1e-6
    assert found[1000] == pytest.approx(0.5, rel=1e-4)
    assert 0 < np.abs(found[1001:]).max() < 0.25
    assert np.abs(found[1000 + int(0.4 * SPEECH_RATE_HZ) + 1 :]).max() < 1e-6


def test_joined_recordings_keep_their_order_and_all_of_their_sound() -> None:
    pieces = [np.full(count, value, np.float32) for count, value in ((500, 0.1), (300, 0.2), (400, 0.3))]
    lengths = set()
    for seed in range(20):
        found = augment.joined(pieces, np.random.default_rng(seed))
        lengths.add(len(found))
        assert found.dtype == np.float32
        assert found[found != 0].tolist() == np.concatenate(pieces).tolist()
        silent_s = (len(found) - 1200) / SPEECH_RATE_HZ
        assert 0 <= silent_s <= 0.6 + 3 * 0.5
    assert len(lengths) > 10


def test_wordless_sounds_are_of_every_kind() -> None:
    found = [augment.wordless(np.random.default_rng(seed)) for seed in range(60)]
    assert all(0.3 * SPEECH_RATE_HZ - 1 <= len(each) <= 3.0 * SPEECH_RATE_HZ for each in found)
    assert all(each.dtype == np.float32 and np.isfinite(each).all() for each in found)
    silent = sum(not each.any() for each in found)
    assert 0 < silent < 30


def test_variation_keeps_type_and_range_repeats_and_leaves_its_input_alone() -> None:
    original = sound()
    before = original.copy()
    peaks = []
    for seed in range(30):
        found = augment.varied(original, WHOLE, np.random.default_rng(seed))
        assert found.shape == original.shape
        assert found.dtype == np.float32
        assert np.abs(found).max() <= 1
        assert found.tolist() == augment.varied(original, WHOLE, np.random.default_rng(seed)).tolist()
        peaks.append(float(np.abs(found).max()))
    assert original.tolist() == before.tolist()
    assert min(peaks) < 0.3
    assert max(peaks) > 0.7
    assert augment.varied(original, Augment(), np.random.default_rng(0)).tolist() == original.tolist()


def features() -> torch.Tensor:
    return torch.randn(3, 20, 60, generator=torch.Generator().manual_seed(0)) + 5


LENGTHS = torch.tensor([60, 40, 8])


@pytest.mark.parametrize("section", [Augment(time_mask_s=0.12), Augment(mel_mask=5)])
def test_masks_are_stretches_of_time_or_bands_at_the_mean(section: Augment) -> None:
    given = features()
    means = torch.stack([row[:, :length].mean(-1) for row, length in zip(given, LENGTHS, strict=True)])
    most_frames, most_bands = 0, 0
    for seed in range(40):
        found = augment.masked(given, LENGTHS, section, np.random.default_rng(seed))
        changed = found != given
        assert torch.allclose(found[changed], means[..., None].expand_as(given)[changed], atol=1e-5)
        for row, length in enumerate(LENGTHS.tolist()):
            if section.time_mask_s:
                frames = changed[row].any(0).nonzero().flatten()
                assert len(frames) <= 2 * min(12, length // 4)
                assert frames.numel() == 0 or int(frames.max()) < length
                assert changed[row].all(0).sum() == len(frames)
                most_frames = max(most_frames, len(frames))
            else:
                bands = changed[row].any(1).nonzero().flatten()
                assert len(bands) <= 10
                most_bands = max(most_bands, len(bands))
    assert max(most_frames, most_bands) >= 7
    assert torch.equal(given, features())


def test_masks_of_a_recording_do_not_depend_on_its_padding() -> None:
    section = Augment(time_mask_s=0.12, mel_mask=5)
    given, alone = features()[:1, :, :40], torch.tensor([40])
    padded = torch.cat([given, torch.full((1, 20, 500), -99.0)], -1)
    wanted = augment.masked(given, alone, section, np.random.default_rng(1))
    found = augment.masked(padded, alone, section, np.random.default_rng(1))
    assert not torch.equal(wanted, given)
    assert torch.allclose(found[..., :40], wanted, atol=1e-5)


def test_without_masks_the_features_stay() -> None:
    given = features()
    assert augment.masked(given, LENGTHS, Augment(), np.random.default_rng(0)) is given
