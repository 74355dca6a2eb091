"""The same weights in every kind of file give the same network; other files are refused in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.training.test_ctranslate2 import model_bytes
from tests.whispers import SIZE, small_whisper
from training.errors import SourceError
from training.networks.whisper_weights import load_whisper

TRANSFORMERS = [
    (r"^encoder\.ln_post\.", "encoder.layer_norm."),
    (r"^decoder\.ln\.", "decoder.layer_norm."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.attn\.", ".self_attn."),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"attn\.out\.", "attn.out_proj."),
    (r"\.blocks\.", ".layers."),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
    (r"^", "model."),
]


def as_transformers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names of the transformers library, its copy of the embedding included."""
    renamed = {}
    for name, tensor in state.items():
        other = name
        for pattern, text in TRANSFORMERS:
            other = re.sub(pattern, text, other)
        renamed[other] = tensor.clone()
    return renamed | {"proj_out.weight": state["decoder.token_embedding.weight"].clone()}


def as_ctranslate2(state: dict[str, torch.Tensor]) -> bytes:
    """The names and stacks of CTranslate2, in half precision as its converter writes them."""
    variables = {"decoder/num_heads": np.array(SIZE.heads, "<i2"), "decoder/pre_norm": np.array(1, "i1")}

    def put(name: str, *parts: torch.Tensor) -> None:
        variables[name] = torch.cat(parts).numpy().astype("<f2")

    for half, layers in (("encoder", SIZE.encoder_layers), ("decoder", SIZE.decoder_layers)):
        put(f"{half}/position_encodings/encodings", state[f"{half}.positional_embedding"])
        norm = "encoder.ln_post" if half == "encoder" else "decoder.ln"
        for ours, theirs in (("weight", "gamma"), ("bias", "beta")):
            put(f"{half}/layer_norm/{theirs}", state[f"{norm}.{ours}"])
        for i in range(layers):
            _put_block(put, state, f"{half}.blocks.{i}", f"{half}/layer_{i}")
    for name in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            put(f"encoder/{name}/{kind}", state[f"encoder.{name}.{kind}"])
    put("decoder/embeddings/weight", state["decoder.token_embedding.weight"])
    return model_bytes(variables, {"decoder/projection/weight": "decoder/embeddings/weight"})


def _put_block(put, state: dict[str, torch.Tensor], ours: str, theirs: str) -> None:  # type: ignore[no-untyped-def]  # a local function
    kinds: list[tuple[str, str, tuple[tuple[str, ...], ...]]] = [
        ("attn", "self_attention", (("query", "key", "value"), ("out",)))
    ]
    if f"{ours}.cross_attn.query.weight" in state:
        kinds.append(("cross_attn", "attention", (("query",), ("key", "value"), ("out",))))
    for name, folder, stacks in kinds:
        for place, stack in enumerate(stacks):
            put(
                f"{theirs}/{folder}/linear_{place}/weight", *(state[f"{ours}.{name}.{part}.weight"] for part in stack)
            )
            zeros = torch.zeros(SIZE.width)
            biases = [state.get(f"{ours}.{name}.{part}.bias", zeros) for part in stack]
            put(f"{theirs}/{folder}/linear_{place}/bias", *biases)
        for kind, other in (("weight", "gamma"), ("bias", "beta")):
            put(f"{theirs}/{folder}/layer_norm/{other}", state[f"{ours}.{name}_ln.{kind}"])
    for place in (0, 2):
        for kind in ("weight", "bias"):
            put(f"{theirs}/ffn/linear_{place // 2}/{kind}", state[f"{ours}.mlp.{place}.{kind}"])
    for kind, other in (("weight", "gamma"), ("bias", "beta")):
        put(f"{theirs}/ffn/layer_norm/{other}", state[f"{ours}.mlp_ln.{kind}"])


def state_in_half_precision() -> dict[str, torch.Tensor]:
    return {name: tensor.half() for name, tensor in small_whisper().state_dict().items()}


@pytest.mark.parametrize("kind", ["openai", "transformers", "safetensors", "ctranslate2"])
def test_every_kind_of_file_gives_the_same_network(tmp_path: Path, kind: str) -> None:
    state = state_in_half_precision()
    path = tmp_path / ("model.safetensors" if kind == "safetensors" else "model.bin")
    if kind == "openai":
        torch.save({"dims": {}, "model_state_dict": state}, path)
    elif kind == "transformers":
        torch.save(as_transformers(state), path)
    elif kind == "safetensors":
        save_file(as_transformers(state), path)
    else:
        path.write_bytes(as_ctranslate2(state))
    network = load_whisper(path)
    assert network.size == SIZE
    assert not network.training
    loaded = network.state_dict()
    assert loaded.keys() == state.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(loaded[name], tensor.float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("model.bin", b"nothing", "not a whole CTranslate2 model"),
        ("model.bin", b"PK\x03\x04 broken", "PyTorch can read"),
        ("model.safetensors", b"nothing at all", "not a whole safetensors file"),
        ("model.bin", model_bytes({"encoder/conv1/weight": np.zeros((2, 2, 3), "<f4")}), "weights of a Whisper"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=words):
        load_whisper(tmp_path / name)


def test_another_models_specification_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(model_bytes({}).replace(b"WhisperSpec", b"MarianXSpec"))
    with pytest.raises(SourceError, match="CTranslate2 model of MarianXSpec"):
        load_whisper(tmp_path / "model.bin")
