"""From a PyTorch Whisper to two ONNX graphs: sound → keys and values; tokens and these → logits.

The encoder graph takes a waveform and gives what the decoder's cross-attention looks up, computed once for a window.
One decoder graph serves the first run over a prompt and every step after it: it writes keys and values of its own
tokens into buffers that the caller allocated once (their length is the longest text), and reads the cross keys and
values in place. Rows of a batch are hypotheses about the same sound: their queries are laid side by side, so the sound
is read once for all of them. Attention is onnxruntime's own operators (`com.microsoft`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.whisper import Attention, Block, Whisper

AUDIO = "audio"
TOKENS, LAST, TOTAL = "tokens", "last_position", "total_length"
LOGITS, WEIGHTS = "logits", "alignment"
OPSET = 20
_CONTRIB = 1


def cross_names(layers: int) -> list[str]:
    """Names of the cross keys and values, layer by layer: encoder outputs and decoder inputs."""
    return [f"cross_{kind}.{i}" for i in range(layers) for kind in ("key", "value")]


def past_names(layers: int, when: str) -> list[str]:
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
            x = _read_block(block, x)
        pairs = self.whisper.cross(encoder.ln_post(x))
        return tuple(tensor.contiguous() for pair in pairs for tensor in pair)


def _read_block(block: Block, x: Tensor) -> Tensor:
    attention, normed = block.attn, block.attn_ln(x)
    query, key, value = attention.query(normed), attention.key(normed), attention.value(normed)
    x = x + attention.out(_attention(query, key, value, attention.heads))
    return x + block.mlp(block.mlp_ln(x))


def _attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Every query sees every key: `[batch, positions, width]`; keys and values may be divided into heads already."""
    result = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (query, key, value),
        {"num_heads": heads},
        dtype=query.dtype,
        shape=query.shape,
        version=_CONTRIB,
    )
    return result


class DecoderGraph(nn.Module):
    """int64 tokens `[rows, positions]` behind those already in the buffers, to logits `[rows, vocabulary]`.

    `last_position` int32 `[rows]` is the place of each row's last token, `total_length` int32 `[]` the count of all
    tokens so far. Buffers are float32 `[rows, heads, longest, width / heads]`.
    """

    def __init__(self, whisper: Whisper) -> None:
        super().__init__()
        self.decoder = whisper.decoder
        self.packed = nn.ModuleList(_pack(block.attn) for block in whisper.decoder.blocks)

    def forward(
        self, tokens: Tensor, last: Tensor, total: Tensor, past: list[Tensor], cross: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Logits of each row's next token, and the buffers."""
        decoder = self.decoder
        begin = (total - tokens.shape[1]).to(torch.int64)
        places = begin + torch.arange(tokens.shape[1])
        x = F.embedding(tokens, decoder.token_embedding.weight) + F.embedding(places, decoder.positional_embedding)
        present: list[Tensor] = []
        for i, block in enumerate(decoder.blocks):
            x, buffers = self._write_block(i, x, (last, total), past[2 * i : 2 * i + 2])
            present += buffers
            x = x + _look_up(block, x, cross[2 * i : 2 * i + 2])
            x = x + block.mlp(block.mlp_ln(x))
        logits = F.linear(decoder.ln(x[:, -1]), decoder.token_embedding.weight)
        return (logits, *present)

    def _write_block(
        self, i: int, x: Tensor, lengths: tuple[Tensor, Tensor], past: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        block = self.decoder.blocks[i]
        packed = self.packed[i](block.attn_ln(x))
        attended, key, value = torch.onnx.ops.symbolic_multi_out(
            "com.microsoft::GroupQueryAttention",
            (packed, None, None, *past, *lengths),
            {"num_heads": block.attn.heads, "kv_num_heads": block.attn.heads},
            dtypes=[x.dtype] * 3,
            shapes=[x.shape, past[0].shape, past[1].shape],
            version=_CONTRIB,
        )
        return x + block.attn.out(attended), [key, value]


def _pack(attention: Attention) -> nn.Linear:
    """Query, key and value of one input as one layer."""
    parts = (attention.query, attention.key, attention.value)
    width = attention.query.in_features
    packed = nn.Linear(width, 3 * width)
    packed.weight = nn.Parameter(torch.cat([each.weight for each in parts]), requires_grad=False)
    biases = [torch.zeros(width) if each.bias is None else each.bias for each in parts]
    packed.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
    return packed


def _look_up(block: Block, x: Tensor, cross: list[Tensor]) -> Tensor:
    """Attention to the sound, with the queries of all rows in one."""
    attention = block.cross_attn
    query = attention.query(block.cross_attn_ln(x))
    together = query.reshape(1, -1, query.shape[-1])
    attended = _attention(together, cross[0], cross[1], attention.heads)
    return attention.out(attended.reshape(query.shape))
