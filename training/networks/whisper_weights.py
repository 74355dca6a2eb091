"""Whisper's weights as others store them, turned into the names of `training.networks.whisper`.

Three kinds of file: OpenAI's `.pt` (the names that we use), safetensors or `pytorch_model.bin` of the transformers
library, and CTranslate2's `model.bin`. The size of the network is read off the weights' shapes; heads are 64 wide in
every published Whisper. Files are read as data: nothing in them is executed.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.ctranslate2 import read_variables
from training.errors import SourceError
from training.networks.whisper import Dimensions, Whisper

_HEAD_WIDTH = 64
State = Mapping[str, Tensor]

_TRANSFORMERS = (
    (r"^model\.", ""),
    (r"\.layers\.", ".blocks."),
    (r"\.self_attn\.", ".attn."),
    (r"\.self_attn_layer_norm\.", ".attn_ln."),
    (r"\.encoder_attn\.", ".cross_attn."),
    (r"\.encoder_attn_layer_norm\.", ".cross_attn_ln."),
    (r"\.q_proj\.", ".query."),
    (r"\.k_proj\.", ".key."),
    (r"\.v_proj\.", ".value."),
    (r"\.out_proj\.", ".out."),
    (r"\.fc1\.", ".mlp.0."),
    (r"\.fc2\.", ".mlp.2."),
    (r"\.final_layer_norm\.", ".mlp_ln."),
    (r"\.embed_tokens\.", ".token_embedding."),
    (r"\.embed_positions\.weight$", ".positional_embedding"),
    (r"^encoder\.layer_norm\.", "encoder.ln_post."),
    (r"^decoder\.layer_norm\.", "decoder.ln."),
)
_CTRANSLATE2 = (
    (r"/", "."),
    (r"\.layer_(\d+)\.", r".blocks.\1."),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
    (r"\.self_attention\.layer_norm\.", ".attn_ln."),
    (r"(blocks\.\d+)\.attention\.layer_norm\.", r"\1.cross_attn_ln."),
    (r"\.ffn\.layer_norm\.", ".mlp_ln."),
    (r"\.ffn\.linear_0\.", ".mlp.0."),
    (r"\.ffn\.linear_1\.", ".mlp.2."),
    (r"\.embeddings\.", ".token_embedding."),
    (r"\.position_encodings\.encodings$", ".positional_embedding"),
    (r"^encoder\.layer_norm\.", "encoder.ln_post."),
    (r"^decoder\.layer_norm\.", "decoder.ln."),
)
# The parts that CTranslate2 stacks into one matrix, in their order.
_STACKED = {
    ".self_attention.linear_0.": (".attn.", ("query", "key", "value")),
    ".self_attention.linear_1.": (".attn.", ("out",)),
    ".attention.linear_0.": (".cross_attn.", ("query",)),
    ".attention.linear_1.": (".cross_attn.", ("key", "value")),
    ".attention.linear_2.": (".cross_attn.", ("out",)),
}


def load_whisper(path: Path) -> Whisper:
    """A Whisper of the size that the file holds, in float32 and evaluation mode.

    Raises:
        SourceError: the file is of none of the three kinds, or not of a Whisper.
    """
    state = {name: tensor.float() for name, tensor in _state(path).items()}
    try:
        network = Whisper(_dimensions(state))
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise SourceError(f"{path.name} does not hold the weights of a Whisper: {first}") from error
    return network.eval().requires_grad_(False)


def _state(path: Path) -> State:
    if path.suffix == ".safetensors":
        return _from_transformers(_safetensors(path))
    if _is_torch(path):
        return _from_torch(path)
    return dict(_from_ctranslate2(path))


def _safetensors(path: Path) -> State:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise SourceError(f"{path.name} is not a whole safetensors file") from error


def _is_torch(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4)
    return head.startswith((b"PK", b"\x80"))  # a zip, or an old pickle


def _from_torch(path: Path) -> State:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise SourceError(f"{path.name} is not a file of weights that PyTorch can read") from error
    state = content.get("model_state_dict", content)
    return _from_transformers(state) if any(".layers." in name for name in state) else state


def _from_transformers(state: State) -> State:
    renamed = {_renamed(name, _TRANSFORMERS): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in renamed.items() if name != "proj_out.weight"}


def _from_ctranslate2(path: Path) -> Iterator[tuple[str, Tensor]]:
    specification, variables = read_variables(path)
    if specification != "WhisperSpec":
        raise SourceError(f"{path.name} is a CTranslate2 model of {specification}, not of Whisper")
    for name, array in variables.items():
        if array.dtype.kind != "f":
            continue  # options of the specification, or weights that were quantised
        tensor = torch.tensor(array)
        dotted = name.replace("/", ".")
        stack = next((each for each in _STACKED if each in dotted), None)
        if name == "decoder/projection/weight" or tensor.ndim == 0:
            continue
        if stack is None:
            yield _renamed(name, _CTRANSLATE2), tensor
        else:
            yield from _unstacked(dotted, stack, tensor)


def _unstacked(name: str, stack: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    attention, parts = _STACKED[stack]
    block, kind = name.split(stack)
    block = re.sub(r"\.layer_(\d+)$", r".blocks.\1", block)
    for part, piece in zip(parts, tensor.chunk(len(parts)), strict=True):
        if (part, kind) != ("key", "bias"):  # stored as zeros
            yield f"{block}{attention}{part}.{kind}", piece


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, text in rules:
        name = re.sub(pattern, text, name)
    return name


def _dimensions(state: State) -> Dimensions:
    vocabulary, width = state["decoder.token_embedding.weight"].shape
    return Dimensions(
        mels=state["encoder.conv1.weight"].shape[1],
        width=width,
        heads=width // _HEAD_WIDTH,
        encoder_layers=_layers(state, "encoder"),
        decoder_layers=_layers(state, "decoder"),
        vocabulary=vocabulary,
        audio_positions=state["encoder.positional_embedding"].shape[0],
        text_positions=state["decoder.positional_embedding"].shape[0],
    )


def _layers(state: State, half: str) -> int:
    return len({name.split(".")[2] for name in state if name.startswith(f"{half}.blocks.")})
