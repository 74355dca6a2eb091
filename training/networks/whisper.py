"""Whisper: a transformer that reads a log-mel spectrogram and writes text, one token after another.

Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (arXiv 2212.04356) and
openai/whisper, whose parameter names are kept, so that its checkpoints load as they are. The network takes 30 s of
sound; it knows neither text nor decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.log_mel import LogMel

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one attention, each `[batch, heads, positions, width / heads]`."""


@dataclass(frozen=True)
class Dimensions:
    """What tells one size of Whisper from another."""

    mels: int
    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    audio_positions: int = 1500
    text_positions: int = 448


class Attention(nn.Module):
    """Multi-head attention; keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def keys_values(self, x: Tensor) -> KeysValues:
        """Keys and values of `[batch, positions, width]`, divided into heads."""
        return self.divided(self.key(x)), self.divided(self.value(x))

    def divided(self, x: Tensor) -> Tensor:
        """`[batch, positions, width]` to `[batch, heads, positions, width / heads]`."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, keys_values: KeysValues | None = None, *, is_causal: bool = False) -> Tensor:
        """Attend from `[batch, positions, width]` to itself, or to the keys and values of something else."""
        keys, values = keys_values or self.keys_values(x)
        attended = F.scaled_dot_product_attention(self.divided(self.query(x)), keys, values, is_causal=is_causal)
        return self.out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Self-attention, attention to the sound (in the decoder), two linear layers; each added to what came in."""

    attn: Attention
    cross_attn: Attention

    def __init__(self, width: int, heads: int, *, has_cross_attention: bool) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        if has_cross_attention:
            self.cross_attn = Attention(width, heads)
            self.cross_attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, cross: KeysValues | None = None) -> Tensor:
        """`[batch, positions, width]` to the same; with `cross` positions see only what stands before them."""
        x = x + self.attn(self.attn_ln(x), is_causal=cross is not None)
        if cross is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), cross)
        return x + self.mlp(self.mlp_ln(x))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Log-mel `[batch, mels, 2 · positions]` to states `[batch, positions, width]`."""

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(size.mels, size.width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(size.width, size.width, kernel_size=3, stride=2, padding=1)
        self.positional_embedding: Tensor
        self.register_buffer("positional_embedding", torch.empty(size.audio_positions, size.width))
        self.blocks = nn.ModuleList(
            Block(size.width, size.heads, has_cross_attention=False) for _ in range(size.encoder_layers)
        )
        self.ln_post = nn.LayerNorm(size.width)

    def stem(self, mel: Tensor) -> Tensor:
        """What the blocks get: `[batch, positions, width]`."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel))))
        return x.transpose(1, 2) + self.positional_embedding

    def forward(self, mel: Tensor) -> Tensor:
        """States of one window."""
        x = self.stem(mel)
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Tokens `[batch, positions]` and the sound's keys and values to logits of each next token."""

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(size.vocabulary, size.width)
        self.positional_embedding = nn.Parameter(torch.empty(size.text_positions, size.width))
        self.blocks = nn.ModuleList(
            Block(size.width, size.heads, has_cross_attention=True) for _ in range(size.decoder_layers)
        )
        self.ln = nn.LayerNorm(size.width)

    def forward(self, tokens: Tensor, cross: list[KeysValues]) -> Tensor:
        """Logits `[batch, positions, vocabulary]`; the embedding's weights serve as the last layer's too."""
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[-1]]
        for block, keys_values in zip(self.blocks, cross, strict=True):
            x = block(x, keys_values)
        return F.linear(self.ln(x), self.token_embedding.weight)


class Whisper(nn.Module):
    """Waveform and tokens in, logits out."""

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.size = size
        self.log_mel = LogMel(size.mels)
        self.encoder = Encoder(size)
        self.decoder = Decoder(size)

    def encode(self, audio: Tensor) -> Tensor:
        """States `[1, 1500, width]` of float32 `[1, n]` at 16 kHz, n ≤ 480,000."""
        return self.encoder(self.log_mel(audio))  # type: ignore[no-any-return]

    def cross(self, states: Tensor) -> list[KeysValues]:
        """What the decoder's layers look up in the sound; the same for every token, so computed once."""
        attentions = [block.get_submodule("cross_attn") for block in self.decoder.blocks]
        return [each.keys_values(states) for each in attentions if isinstance(each, Attention)]

    def forward(self, audio: Tensor, tokens: Tensor) -> Tensor:
        """Logits `[1, positions, vocabulary]` for one window of sound and the tokens so far."""
        return self.decoder(tokens, self.cross(self.encode(audio)))  # type: ignore[no-any-return]
