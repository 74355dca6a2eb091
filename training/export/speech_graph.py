"""From a PyTorch Whisper to two ONNX graphs: sound → keys and values; tokens and these → logits.

The encoder graph takes a waveform and gives what the decoder's cross-attention looks up, computed once for a window.
One decoder graph serves the first run over a prompt and every step after it: it writes keys and values of its own
tokens into buffers that the caller allocated once (their length is the longest text), and reads the cross keys and
values in place. Rows of a batch are hypotheses about the same sound: their queries are laid side by side, so that the
sound is read once for all of them. Attention is onnxruntime's own operators (`com.microsoft`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import ExportError
from training.export.graph import OPSET, plain, quiet_exporter
from training.networks.whisper import Attention, Block, Whisper

AUDIO = "audio"
TOKENS, LAST, TOTAL = "tokens", "last_position", "total_length"
LOGITS, ALIGNMENT = "logits", "alignment"
_CONTRIB = 1  # opset of com.microsoft
_TRACED_ROWS, _TRACED_POSITIONS, _TRACED_SAMPLES = 2, 3, 80_000  # one would be taken for a constant

Head = tuple[int, int]
"""Decoder layer and head."""


def cross_names(layers: int) -> list[str]:
    """Names of the cross keys and values, layer by layer: encoder outputs and decoder inputs."""
    return [f"cross_{kind}.{i}" for i in range(layers) for kind in ("key", "value")]


def buffer_names(when: str, layers: int) -> list[str]:
    """Names of the decoder's own keys and values: inputs `past…` and outputs `present…` over the same buffers."""
    return [f"{when}_{kind}.{i}" for i in range(layers) for kind in ("key", "value")]


class EncoderGraph(nn.Module):
    """float32 `[1, n]` at 16 kHz to `[1, heads, 1500, width / heads]` for each decoder layer, keys then values."""

    def __init__(self, whisper: Whisper) -> None:
        super().__init__()
        self.whisper = whisper

    def forward(self, audio: Tensor) -> tuple[Tensor, ...]:
        """Every layer's cross keys and values."""
        encoder = self.whisper.encoder
        x = encoder.stem(self.whisper.log_mel(audio))
        for block in encoder.blocks:
            x = _read_block(cast(Block, block), x)
        pairs = self.whisper.cross(encoder.ln_post(x))
        return tuple(tensor.contiguous() for pair in pairs for tensor in pair)


def _read_block(block: Block, x: Tensor) -> Tensor:
    attention, normed = block.attn, block.attn_ln(x)
    query, key, value = attention.query(normed), attention.key(normed), attention.value(normed)
    x = x + attention.out(_attention(query, key, value, attention.heads))
    return cast(Tensor, x + block.mlp(block.mlp_ln(x)))


def _attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Every query sees every key: `[batch, positions, width]`; keys and values may be divided into heads already."""
    return torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (query, key, value),
        {"num_heads": heads},
        dtype=query.dtype,
        shape=query.shape,
        version=_CONTRIB,
    )


class DecoderGraph(nn.Module):
    """int64 tokens `[rows, positions]` behind those already in the buffers, to logits `[rows, vocabulary]`.

    `last_position` int32 `[rows]` is the place of each row's last token, `total_length` int32 `[]` the count of all
    tokens so far. Buffers are float32 `[rows, heads, longest, width / heads]`. With `alignment_heads` one more output
    tells where in the sound each token looks: `[heads, rows · positions, 1500]`, softmax done.
    """

    def __init__(self, whisper: Whisper, alignment_heads: Sequence[Head] = ()) -> None:
        super().__init__()
        self.decoder = whisper.decoder
        self.blocks = [cast(Block, block) for block in whisper.decoder.blocks]
        self.packed = nn.ModuleList(_pack(block.attn) for block in self.blocks)
        self.alignment_heads = tuple(alignment_heads)

    def forward(
        self, tokens: Tensor, last: Tensor, total: Tensor, past: list[Tensor], cross: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Logits of each row's next token, the alignment where it is wanted, and the buffers."""
        decoder = self.decoder
        begin = (total - tokens.shape[1]).to(torch.int64)
        places = begin + torch.arange(tokens.shape[1])
        x = F.embedding(tokens, decoder.token_embedding.weight) + F.embedding(places, decoder.positional_embedding)
        present: list[Tensor] = []
        looks: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            attended, *buffers = self._self_attention(i, block.attn_ln(x), (last, total), past[2 * i : 2 * i + 2])
            x = x + block.attn.out(attended)
            present += buffers
            query = block.cross_attn.query(block.cross_attn_ln(x)).reshape(1, -1, x.shape[-1])
            key, value = cross[2 * i : 2 * i + 2]
            looks += [_look(block.cross_attn, query, key, head) for layer, head in self.alignment_heads if layer == i]
            seen = _attention(query, key, value, block.cross_attn.heads)
            x = x + block.cross_attn.out(seen.reshape(x.shape))
            x = x + block.mlp(block.mlp_ln(x))
        logits = F.linear(decoder.ln(x[:, -1]), decoder.token_embedding.weight)
        return (logits, *([torch.cat(looks)] if looks else []), *present)

    def _self_attention(
        self, i: int, normed: Tensor, lengths: tuple[Tensor, Tensor], past: list[Tensor]
    ) -> Sequence[Tensor]:
        """What the tokens see in those before them, and the buffers with their own keys and values."""
        heads = self.blocks[i].attn.heads
        return torch.onnx.ops.symbolic_multi_out(
            "com.microsoft::GroupQueryAttention",
            (self.packed[i](normed), None, None, *past, *lengths),
            {"num_heads": heads, "kv_num_heads": heads},
            dtypes=[normed.dtype] * 3,
            shapes=[normed.shape, past[0].shape, past[1].shape],
            version=_CONTRIB,
        )


def _look(attention: Attention, query: Tensor, key: Tensor, head: int) -> Tensor:
    """One head's weights over the sound: `[1, positions, 1500]`."""
    own = attention.divided(query)[:, head]
    return torch.softmax(own @ key[:, head].transpose(1, 2) * own.shape[-1] ** -0.5, dim=-1)


def _pack(attention: Attention) -> nn.Linear:
    """Query, key and value of one input as one layer."""
    parts = (attention.query, attention.key, attention.value)
    width = attention.query.in_features
    packed = nn.Linear(width, 3 * width)
    biases = [torch.zeros(width) if each.bias is None else each.bias.detach() for each in parts]
    with torch.no_grad():
        packed.weight.copy_(torch.cat([each.weight.detach() for each in parts]))
        packed.bias.copy_(torch.cat(biases))
    return packed


def encoder_to_onnx(whisper: Whisper) -> onnx.ModelProto:
    """The encoder graph; input `audio` float32 `[1, "samples"]`."""
    model = _export(
        EncoderGraph(whisper),
        (torch.zeros(1, _TRACED_SAMPLES),),
        [AUDIO],
        cross_names(whisper.size.decoder_layers),
        {"audio": {1: torch.export.Dim("samples", min=1, max=whisper.log_mel.samples)}},
    )
    return _finished(model, "encoder", {AUDIO: ("1", "samples")})


def decoder_to_onnx(whisper: Whisper, alignment_heads: Sequence[Head] = ()) -> onnx.ModelProto:
    """The decoder graph, with the weights of some heads as one more output where they are named."""
    size = whisper.size
    count, width = 2 * size.decoder_layers, size.width // size.heads
    past = [torch.zeros(_TRACED_ROWS, size.heads, size.text_positions, width) for _ in range(count)]
    cross = [torch.zeros(1, size.heads, size.audio_positions, width) for _ in range(count)]
    length = _TRACED_POSITIONS + 2
    example = (
        torch.zeros(_TRACED_ROWS, _TRACED_POSITIONS, dtype=torch.int64),
        torch.full((_TRACED_ROWS,), length - 1, dtype=torch.int32),
        torch.tensor(length, dtype=torch.int32),
        past,
        cross,
    )
    rows, positions = torch.export.Dim("rows"), torch.export.Dim("positions")
    model = _export(
        DecoderGraph(whisper, alignment_heads),
        example,
        [TOKENS, LAST, TOTAL, *buffer_names("past", size.decoder_layers), *cross_names(size.decoder_layers)],
        [LOGITS, *([ALIGNMENT] if alignment_heads else []), *buffer_names("present", size.decoder_layers)],
        ({0: rows, 1: positions}, {0: rows}, None, [{0: rows}] * count, [None] * count),
    )
    return _finished(model, "decoder", {TOKENS: ("rows", "positions"), ALIGNMENT: ("heads", "queries", "frames")})


def _export(
    module: nn.Module, example: tuple[Any, ...], inputs: list[str], outputs: list[str], shapes: Any
) -> onnx.ModelProto:
    with torch.no_grad(), quiet_exporter():
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch's exporter gave no program")
    return program.model_proto


def _finished(model: onnx.ModelProto, name: str, dimensions: dict[str, tuple[str, ...]]) -> onnx.ModelProto:
    """The plain graph, its free dimensions named in words."""
    finished = plain(model, name)
    for value in (*finished.graph.input, *finished.graph.output):
        words = dimensions.get(value.name, ("rows",))
        for word, dimension in zip(words, value.type.tensor_type.shape.dim, strict=False):
            if dimension.dim_param:
                dimension.dim_param = word
    onnx.checker.check_model(finished)
    return finished
