"""Both kinds of acoustic model as graphs: the same numbers as PyTorch for every length, alone or in a batch."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from training.export.ctc_graph import AUDIO, LOG_PROBABILITIES, to_onnx
from training.export.runtime import Session
from training.export.speech_int8 import encoder_to_int8
from training.networks.ctc import HOP, CtcNetwork
from training.sections import Ctc

TOKENS = 7
LENGTHS = (1600, 1601, 4000, 16_000, 41_237)


def network(context: Literal["gru", "attention"]) -> CtcNetwork:
    torch.manual_seed(5)
    section = Ctc(kind="ctc", mels=16, channels=(12, 16), context=context, width=16, layers=2, heads=2, dropout=0.3)
    made = CtcNetwork(section, TOKENS).eval()
    with torch.no_grad():
        for each in made.parameters():
            each.add_(torch.randn_like(each) * 0.2)  # biases too must land where they belong
    return made


def sound(count: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(count).standard_normal(count) * 0.1, np.float32)


@pytest.mark.parametrize("context", ["gru", "attention"])
def test_the_graph_computes_what_pytorch_does(context: Literal["gru", "attention"]) -> None:
    made = network(context)
    before = {name: each.clone() for name, each in made.state_dict().items()}
    model = to_onnx(made)
    assert all(torch.equal(each, before[name]) for name, each in made.state_dict().items())
    assert [each.name for each in (*model.graph.input, *model.graph.output)] == [AUDIO, LOG_PROBABILITIES]
    graph = Session(model.SerializeToString())
    small = Session(encoder_to_int8(model).SerializeToString())
    sounds = [sound(count) for count in LENGTHS]
    padded = torch.zeros(len(sounds), max(LENGTHS))
    for row, each in zip(padded, sounds, strict=True):
        row[: len(each)] = torch.from_numpy(each)
    frames = torch.tensor(LENGTHS) // HOP
    with torch.inference_mode():
        logits, left = made(made.features(padded)[..., : int(frames.max())], frames)
        together = torch.log_softmax(logits, -1).numpy()
    assert left is not None
    for row, each in enumerate(sounds):
        found = graph(each[None])
        with torch.inference_mode():
            alone = torch.log_softmax(made(made.features(torch.from_numpy(each)[None]))[0], -1).numpy()
        assert found.shape == alone.shape == (1, int(left[row]), TOKENS)
        assert np.abs(found - alone).max() < 1e-4
        assert np.abs(together[row, : int(left[row])] - alone[0]).max() < 1e-4
        assert np.allclose(np.exp(found).sum(-1), 1, atol=1e-4)
        assert small(each[None]).shape == found.shape
        assert np.abs(small(each[None]) - found).max() < 1.5
