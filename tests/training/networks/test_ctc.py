"""A recording in a batch gives what it gives alone, in both kinds of context, and every frame hears the others."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.networks.ctc import HOP, CtcNetwork, SpeechFeatures, frame_mask, levelled
from training.sections import Ctc

MELS = 12
CONTEXTS = ("gru", "attention")


def network(**values: Any) -> CtcNetwork:
    """A small one."""
    torch.manual_seed(0)
    section = {"mels": MELS, "channels": (16, 8), "width": 8, "layers": 2, **values}
    return CtcNetwork(Ctc(kind="ctc", **section), 6).eval()


NETWORKS = {name: network(context=name) for name in CONTEXTS}


@settings(max_examples=25)
@given(frames=st.lists(st.integers(1, 90), min_size=1, max_size=4), context=st.sampled_from(CONTEXTS))
def test_a_recording_in_a_batch_gives_what_it_gives_alone(frames: list[int], context: str) -> None:
    built = NETWORKS[context]
    generator = torch.Generator().manual_seed(len(frames))
    # what lies behind a recording's end is noise here: none of it may be heard
    features = torch.randn(len(frames), MELS, max(frames), generator=generator)
    with torch.no_grad():
        logits, left = built(features, torch.tensor(frames))
        assert left is not None
        for row, count in enumerate(frames):
            alone, _ = built(features[row : row + 1, :, :count])
            assert alone.shape[1] == int(left[row])
            torch.testing.assert_close(logits[row : row + 1, : alone.shape[1]], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_frame_hears_the_others(context: str) -> None:
    features = torch.rand(1, MELS, 60, generator=torch.Generator().manual_seed(3), requires_grad=True)
    logits, _ = NETWORKS[context](features)
    logits[0, 0].sum().backward()
    assert features.grad is not None
    assert float(features.grad[..., -1].abs().max()) > 0


@pytest.mark.parametrize(("channels", "stride_s"), [((), 0.01), ((8,), 0.02), ((8, 8, 8), 0.08)])
def test_each_convolution_halves_the_frames(channels: tuple[int, ...], stride_s: float) -> None:
    built = network(channels=channels)
    assert built.stride_s == pytest.approx(stride_s)
    for frames in (1, 7, 8, 33):
        logits, left = built(torch.randn(2, MELS, frames), torch.tensor([frames, 1]))
        expected = -(-frames // 2 ** len(channels))
        assert logits.shape == (2, expected, 6)
        assert left.tolist() == [expected, 1]


def test_features_are_librosas_log_mel() -> None:
    audio = np.random.default_rng(1).standard_normal(16_000).astype(np.float32) * 0.1
    mel = librosa.feature.melspectrogram(
        y=audio.astype(np.float64),
        sr=16_000,
        n_fft=400,
        hop_length=HOP,
        n_mels=MELS,
        center=True,
        pad_mode="constant",
    )[:, :-1]
    got = SpeechFeatures(MELS)(torch.from_numpy(audio)[None])[0].numpy()
    np.testing.assert_allclose(got, np.log(mel + 1e-6) / 4, atol=1e-3)


def test_features_of_a_recording_do_not_depend_on_the_silence_behind_it() -> None:
    audio = torch.randn(1, 3200, generator=torch.Generator().manual_seed(1))
    features = SpeechFeatures(MELS)
    longer = features(torch.cat([audio, torch.zeros(1, 1600)], dim=1))
    torch.testing.assert_close(longer[..., : 3200 // HOP], features(audio))


def test_loudness_does_not_count() -> None:
    features = SpeechFeatures(MELS)
    audio = torch.randn(1, 3200, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        levelled(features(3 * audio), None), levelled(features(audio), None), atol=1e-3, rtol=0
    )


def test_silence_around_a_word_does_not_count() -> None:
    word = torch.rand(1, MELS, 20, generator=torch.Generator().manual_seed(1))
    silence = torch.full((1, MELS, 30), -3.4)
    alone, among = levelled(word, None), levelled(torch.cat([silence, word, silence], -1), None)
    torch.testing.assert_close(among[..., 30:50], alone)
    assert not among[..., :30].any()
    assert not among[..., 50:].any()


def test_silence_is_not_made_loud() -> None:
    assert levelled(torch.full((1, MELS, 9), -3.4), None).max() < 0.2


def test_the_loudest_place_is_looked_for_in_sound_only() -> None:
    features = torch.tensor([[[1.0, 3.0, 100.0]], [[1.0, 3.0, 5.0]]])
    assert levelled(features, torch.tensor([2, 3])).tolist() == [[[0.5, 2.5, 0]], [[0, 0.5, 2.5]]]
    assert levelled(features[1:], None).tolist() == [[[0, 0.5, 2.5]]]
    assert frame_mask(torch.tensor([2, 3]), 3).tolist() == [[True, True, False], [True, True, True]]


@pytest.mark.parametrize("context", CONTEXTS)
def test_gradients_reach_every_weight(context: str) -> None:
    built = network(context=context, dropout=0.0).train()
    logits, _ = built(torch.randn(3, MELS, 40), torch.tensor([40, 30, 9]))
    logits.square().sum().backward()
    assert [name for name, each in built.named_parameters() if each.grad is None or not each.grad.any()] == []
