"""The exported graphs compute what PyTorch computes, however the tokens are divided into runs and rows."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from tests.whispers import SIZE, small_model, small_whisper
from training.export.runtime import Session
from training.export.silero import spoken_like
from training.export.speech_graph import decoder_to_onnx, encoder_to_onnx
from training.export.speech_int8 import decoder_to_int8, encoder_to_int8
from training.export.speech_session import SpeechSession
from training.networks.whisper import Block

AUDIO = spoken_like(2.0)
TOKENS = [257, 258, 262, 266, 70, 71, 72]


@pytest.fixture(scope="module")
def graphs() -> dict[str, onnx.ModelProto]:
    network = small_whisper()
    return {"encoder": encoder_to_onnx(network), "decoder": decoder_to_onnx(network)}


@pytest.fixture(scope="module")
def session(graphs: dict[str, onnx.ModelProto]) -> SpeechSession:
    return SpeechSession(**graphs)


def by_torch(tokens: list[int], audio: NDArray[np.float32] = AUDIO) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = small_whisper()(torch.from_numpy(audio)[None], torch.tensor([tokens]))[0].numpy()
    return logits


def test_the_encoder_gives_pytorchs_keys_and_values(session: SpeechSession) -> None:
    network = small_whisper()
    wanted = [tensor for pair in network.cross(network.encode(torch.from_numpy(AUDIO)[None])) for tensor in pair]
    for got, tensor in zip(session.encode(AUDIO).values(), wanted, strict=True):
        np.testing.assert_allclose(got, tensor.numpy(), atol=2e-3)


@pytest.mark.parametrize("beginning", [1, 4, len(TOKENS)])
def test_a_prompt_at_once_or_token_by_token_is_the_same(session: SpeechSession, beginning: int) -> None:
    got = session.follow(AUDIO, TOKENS, beginning)
    np.testing.assert_allclose(got, by_torch(TOKENS)[beginning - 1 :], atol=5e-3)


def test_rows_are_hypotheses_about_the_same_sound(session: SpeechSession) -> None:
    cross, buffers = session.encode(AUDIO), session.begin(rows=3)
    rows = np.array([[*TOKENS[:4], each] for each in (70, 71, 90)])
    got, _ = session.decode(rows, 0, buffers, cross)
    for row, logits in zip(rows.tolist(), got, strict=True):
        np.testing.assert_allclose(logits, by_torch(row)[-1], atol=5e-3)


def test_inputs_have_names_for_their_free_dimensions(graphs: dict[str, onnx.ModelProto]) -> None:
    free = {
        each.dim_param
        for graph in graphs.values()
        for value in graph.graph.input
        for each in value.type.tensor_type.shape.dim
    }
    assert free == {"", "samples", "rows", "positions"}


def test_graphs_carry_no_traces_of_the_machine(graphs: dict[str, onnx.ModelProto]) -> None:
    for graph in graphs.values():
        assert b"/" not in b"".join(node.doc_string.encode() for node in graph.graph.node)
        assert not any(node.metadata_props for node in graph.graph.node)


def test_the_alignment_is_where_the_heads_look() -> None:
    model = small_model()
    network = model.network
    aligner = Session(decoder_to_onnx(network, model.alignment_heads).SerializeToString())
    plain = SpeechSession(encoder_to_onnx(network), decoder_to_onnx(network))
    cross, tokens = plain.encode(AUDIO), np.array([TOKENS])
    lengths = {
        "last_position": np.array([len(TOKENS) - 1], np.int32),
        "total_length": np.array(len(TOKENS), np.int32),
    }
    found = aligner.named({"tokens": tokens, **lengths, **plain.begin(), **cross})
    looks = found["alignment"]
    assert looks.shape == (2, len(TOKENS), SIZE.audio_positions)
    np.testing.assert_allclose(looks.sum(axis=-1), 1.0, atol=1e-4)
    np.testing.assert_allclose(looks[0], by_hand(TOKENS)[1], atol=1e-4)  # layer 0, head 1
    np.testing.assert_allclose(found["logits"], plain.decode(tokens, 0, plain.begin(), cross)[0], atol=1e-4)


def by_hand(tokens: list[int]) -> NDArray[np.float32]:
    """Weights of the first layer's cross-attention, `[heads, tokens, 1500]`."""
    network = small_whisper()
    block = network.decoder.blocks[0]
    assert isinstance(block, Block)
    key, _ = network.cross(network.encode(torch.from_numpy(AUDIO)[None]))[0]
    x = network.decoder.token_embedding(torch.tensor([tokens])) + network.decoder.positional_embedding[: len(tokens)]
    x = x + block.attn(block.attn_ln(x), is_causal=True)
    query = block.cross_attn.divided(block.cross_attn.query(block.cross_attn_ln(x)))
    weights: NDArray[np.float32] = torch.softmax(query @ key.transpose(2, 3) / 8.0, dim=-1)[0].numpy()
    return weights


def test_int8_is_near_and_small(graphs: dict[str, onnx.ModelProto], session: SpeechSession) -> None:
    encoder, decoder = encoder_to_int8(graphs["encoder"]), decoder_to_int8(graphs["decoder"])
    got = SpeechSession(encoder, decoder).follow(AUDIO, TOKENS, 4)
    wanted = session.follow(AUDIO, TOKENS, 4)
    assert np.corrcoef(got.reshape(-1), wanted.reshape(-1))[0, 1] > 0.99
    # The embedding is stored once, in a byte a weight.
    assert decoder.ByteSize() < graphs["decoder"].ByteSize() / 2
    assert not [each for each in decoder.graph.initializer if list(each.dims) == [SIZE.vocabulary, SIZE.width]]
